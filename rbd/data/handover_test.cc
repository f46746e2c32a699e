// What an application sees when berth-data is upgraded: nothing but a short pause.

#include <fcntl.h>

#include <iostream>
#include <string>

#include "base/unix_socket.h"
#include "held_volume.pb.h"
#include "rbd/data/io_channel.h"
#include "rbd/data/testing/data_path_fixture.h"
#include "rbd/data/testing/device_file.h"
#include "rbd/data/testing/verifier.h"

namespace berth {
namespace {

class HandoverTest : public DataPathTest {
 protected:
  // A successor that dies before it says that it has taken over.
  void AskAndDie() {
    const IoChannel channel(*ConnectSocket(socket_path() + ".handover"));
    data::held::v1::HandoverRequest take;
    take.mutable_take();
    ASSERT_TRUE(channel.Send(take).ok());
    data::held::v1::HandoverReply reply;
    std::vector<Fd> descriptors;
    do {
      ASSERT_TRUE(channel.Receive(reply, descriptors, Soon()).ok());
    } while (!reply.has_all());
  }
};

TEST_F(HandoverTest, UpgradesCostNoError) {
  const Attachment attachment = PublishAndAttach();
  {
    Verifier first(attachment.device, 0, 512);
    Verifier second(attachment.device, 512, 512);
    for (int upgrade = 0; upgrade < 3; ++upgrade) {
      ASSERT_TRUE(first.Progresses(50, absl::Seconds(30)));
      const std::string instance = Listed()->instance;
      const StatusOr<int> exit_code = Upgrade();
      ASSERT_TRUE(exit_code.ok()) << exit_code.status();
      EXPECT_EQ(*exit_code, 0);
      const auto listed = Listed();
      ASSERT_TRUE(listed.has_value());
      EXPECT_TRUE(listed->healthy);
      EXPECT_EQ(listed->device, attachment.device);
      EXPECT_NE(listed->instance, instance) << "the I/O process is of the new version, too";
      const auto fenced = NewClient(RadosClient::Purpose::kControl)->Blocklist();
      ASSERT_TRUE(fenced.ok()) << fenced.status();
      EXPECT_FALSE(fenced->contains(instance)) << "it closed the image itself";
      EXPECT_EQ(IoProcesses().size(), 1U);
    }
    ASSERT_TRUE(first.Progresses(50, absl::Seconds(30)));
    for (Verifier* verifier : {&first, &second}) {
      verifier->Stop();
      EXPECT_EQ(verifier->failure(), "");
      std::cout << "longest pause " << verifier->longest_pause() << "\n";
    }
  }
  EXPECT_EQ(Claim().instances, std::vector<std::string>{Listed()->instance});
  // What the first one attached, the last one takes away.
  ASSERT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok());
  EXPECT_EQ(Claim().state, ClaimState::kClosed);
  EXPECT_TRUE(IsFree(attachment.device));
}

TEST_F(HandoverTest, ASuccessorLooksAfterTheProcessThatItGot) {
  const Attachment attachment = PublishAndAttach();
  ASSERT_TRUE(Upgrade().ok());
  Verifier verifier(attachment.device, 0, 512);
  ASSERT_TRUE(verifier.Progresses(20, absl::Seconds(30)));
  KillIoProcess();
  EXPECT_TRUE(verifier.Progresses(20, absl::Seconds(30)));
  verifier.Stop();
  EXPECT_EQ(verifier.failure(), "");
}

TEST_F(HandoverTest, ASuccessorThatDiesTooEarlyChangesNothing) {
  const Attachment attachment = PublishAndAttach();
  Verifier verifier(attachment.device, 0, 512);
  ASSERT_TRUE(verifier.Progresses(20, absl::Seconds(30)));
  AskAndDie();
  EXPECT_TRUE(verifier.Progresses(20, absl::Seconds(30)));
  // It has taken everything back, and looks after it.
  auto listed = attacher().List(Soon());
  for (const absl::Time deadline = Soon(); !listed.ok() && absl::Now() < deadline;) {
    EXPECT_EQ(listed.status().code(), absl::StatusCode::kUnavailable);
    listed = attacher().List(Soon());
  }
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->size(), 1U);
  EXPECT_TRUE((*listed)[0].healthy);
  KillIoProcess();
  EXPECT_TRUE(verifier.Progresses(20, absl::Seconds(30)));
  verifier.Stop();
  EXPECT_EQ(verifier.failure(), "");
  // And a true successor still gets everything.
  ASSERT_TRUE(Upgrade().ok());
  EXPECT_EQ(Listed()->device, attachment.device);
}

TEST_F(HandoverTest, ABrokenDeviceIsHandedOverToo) {
  const Attachment attachment = PublishAndAttach();
  ASSERT_TRUE(Unpublish().ok());
  DeviceFile(attachment.device, O_RDWR).WriteBlock(0, 1);
  KillIoProcess();
  EXPECT_TRUE(BecomesUnhealthy());
  ASSERT_TRUE(Upgrade().ok());
  const auto listed = Listed();
  ASSERT_TRUE(listed.has_value());
  EXPECT_FALSE(listed->healthy);
  EXPECT_EQ(listed->device, attachment.device);
  EXPECT_TRUE(IoProcesses().empty()) << "nothing is started for what has failed";
  EXPECT_TRUE(attacher().Detach(Handle(kImage), Soon()).ok());
  EXPECT_TRUE(IsFree(attachment.device));
}

TEST_F(HandoverTest, NothingToHandOverIsHandedOver) {
  const StatusOr<int> exit_code = Upgrade();
  ASSERT_TRUE(exit_code.ok()) << exit_code.status();
  EXPECT_EQ(*exit_code, 0);
  const Attachment attachment = PublishAndAttach();
  EXPECT_EQ(DeviceFile(attachment.device, O_RDWR).WriteBlock(0, 1), 0);
}

}  // namespace
}  // namespace berth
