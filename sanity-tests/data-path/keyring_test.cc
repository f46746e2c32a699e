// Keys and monitors that change while an image is attached.

#include <iostream>
#include <string>

#include "absl/time/clock.h"
#include "rbd/data/testing/data_path_fixture.h"
#include "rbd/data/testing/verifier.h"
#include "rbd/data/user_probe.h"
#include "sanity-tests/data-path/own_clusters.h"

namespace berth {
namespace {

constexpr char kWrongKey[] = "AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==";

class KeyringTest : protected OwnClusters, public DataPathTest {
 protected:
  bool InstanceChangesFrom(const std::string& instance) {
    for (const absl::Time deadline = Soon(); absl::Now() < deadline;) {
      const auto attachment = Listed();
      if (attachment && attachment->healthy && attachment->instance != instance) return true;
    }
    return false;
  }
};

TEST_F(KeyringTest, ARotatedKeyIsTakenWhileAttached) {
  const Attachment attachment = PublishAndAttach();
  Verifier application(attachment.device, 0, 1024);
  ASSERT_TRUE(application.Progresses(50, absl::Seconds(30)));
  RotateKey();
  WriteKeyring();
  ASSERT_TRUE(InstanceChangesFrom(attachment.instance)) << "another client, with the new key";
  EXPECT_TRUE(application.Progresses(50, absl::Seconds(30)));
  application.Stop();
  EXPECT_EQ(application.failure(), "");
  std::cout << "longest pause " << application.longest_pause() << "\n";
  EXPECT_EQ(Claim().instances, std::vector<std::string>{Listed()->instance});
}

TEST_F(KeyringTest, AKeyThatCephRefusesIsNoIoError) {
  const Attachment attachment = PublishAndAttach();
  Verifier application(attachment.device, 0, 1024);
  ASSERT_TRUE(application.Progresses(50, absl::Seconds(30)));
  WriteKeyring(kWrongKey);
  KillIoProcess();
  EXPECT_TRUE(BecomesStalled(true)) << "it waits, and who asks is told for what";
  WriteKeyring();
  EXPECT_TRUE(application.Progresses(50, absl::Seconds(60)));
  application.Stop();
  EXPECT_EQ(application.failure(), "");
}

TEST_F(KeyringTest, AProbeTellsWhetherCephAcceptsAKey) {
  const ClusterConfig cluster = *connections().clusters().Find(kCluster);
  data::io::v1::Open open;
  open.set_cluster(cluster.alias);
  open.set_conf_path(cluster.conf_path);
  open.set_user_id(cluster.user.id);
  open.set_user_key(cluster.user.key);
  open.set_pool(kPool);
  open.set_connect_timeout_s(10);
  const std::vector<std::string> command = {BERTH_DATA_PROGRAM, "io"};
  EXPECT_TRUE(ProbeUser(command, open, Soon()).ok());
  open.set_user_key(kWrongKey);
  EXPECT_TRUE(absl::IsPermissionDenied(ProbeUser(command, open, Soon())));
}

TEST_F(KeyringTest, ChangedMonitorsAreUsedByTheNextProcess) {
  const Attachment attachment = PublishAndAttach();
  Verifier application(attachment.device, 0, 1024);
  AddMonitor("127.0.0.1:9");  // where nobody answers
  KillIoProcess();
  ASSERT_TRUE(InstanceChangesFrom(attachment.instance));
  EXPECT_TRUE(application.Progresses(50, absl::Seconds(30)));
  application.Stop();
  EXPECT_EQ(application.failure(), "");
}

}  // namespace
}  // namespace berth
