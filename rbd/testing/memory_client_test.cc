#include "rbd/testing/memory_client.h"

#include <gmock/gmock.h>

#include "rbd/testing/fencer_contract.h"
#include "rbd/testing/image_client_contract.h"
#include "rbd/testing/omap_contract.h"

namespace berth {
namespace {

// Nothing is left to chance, and who waits for what is under way gets it.
class Certain final : public MemoryRados::Chance {
 public:
  MemoryRados rados{*this, /*may_lift=*/false};
  void Wait(const std::string&, const std::string&,
            const std::function<bool()>& condition) override {
    while (!condition()) rados.Deliver(rados.in_flight().begin());
  }
};

TEST(MemoryRados, KeepsTheOmapContract) {
  Certain certain;
  MemoryRados::Client client{.address = "a"};
  MemoryOmap omap(certain.rados, client);
  CheckOmapContract(omap);
}

TEST(MemoryRados, KeepsTheFencerContract) {
  Certain certain;
  MemoryRados::Client client{.address = "a"};
  CheckFencerContract(MemoryFencer(certain.rados, client), "x", "y");
}

TEST(MemoryRados, KeepsTheImageClientContract) {
  Certain certain;
  certain.rados.image.name = "image";
  int clients = 0;
  CheckImageClientContract(
      [&] {
        return std::make_unique<MemoryImageClient>(certain.rados,
                                                   "client" + std::to_string(++clients));
      },
      "image");
}

// What a real Ceph does only by chance.
TEST(MemoryRados, AnOperationWhoseClientGaveUpTakesEffectLater) {
  class GivesUp final : public MemoryRados::Chance {
    MemoryRados::Fate Sent(const MemoryRados::Client&, MemoryRados::Daemon,
                           const std::string& operation) override {
      return operation.starts_with("update") ? MemoryRados::Fate::kTimesOut
                                             : MemoryRados::Fate::kServed;
    }
  };
  GivesUp chance;
  MemoryRados rados(chance, false);
  MemoryRados::Client client{.address = "a"};
  MemoryOmap omap(rados, client);
  EXPECT_TRUE(absl::IsDeadlineExceeded(omap.Update("o", {{"k", std::nullopt, "1"}})));
  EXPECT_EQ(*omap.Get("o", "k"), std::nullopt);
  rados.Deliver(rados.in_flight().begin());
  EXPECT_EQ(*omap.Get("o", "k"), "1");
}

TEST(MemoryRados, AnOsdThatHasNotHeardOfAFenceServesUntilAClientTellsIt) {
  class Late final : public MemoryRados::Chance {
    bool Happens(const std::string&) override { return true; }
  };
  Late chance;
  MemoryRados rados(chance, false);
  MemoryRados::Client old_client{.address = "old"};
  MemoryRados::Client fencer{.address = "fencer"};
  MemoryOmap old_omap(rados, old_client);
  ASSERT_TRUE(MemoryFencer(rados, fencer).Fence("old", kFenceDuration).ok());
  EXPECT_TRUE(old_omap.Update("o", {{"k", std::nullopt, "1"}}).ok());
  ASSERT_TRUE(MemoryOmap(rados, fencer).Get("o", "k").ok());
  EXPECT_EQ(ErrnoOf(old_omap.Update("o", {{"k", "1", "2"}})), ESHUTDOWN);
}

}  // namespace
}  // namespace berth
