#include "companion/rollout/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::rollout {
namespace {

using ::testing::HasSubstr;

Entry Numbered(int64_t number, const std::string& cause = "") {
  Entry entry;
  entry.revision.number = number;
  entry.revision.name = "web-" + std::to_string(number);
  entry.revision.created = absl::FromUnixSeconds(1'767'323'045);
  entry.change_cause = cause;
  return entry;
}

TEST(History, ZeroMeansTheOneBeforeTheNewest) {
  const std::vector<Entry> history = {Numbered(1), Numbered(3), Numbered(4)};
  EXPECT_EQ(EntryOf(history, 0)->revision.number, 3);
  EXPECT_EQ(EntryOf(history, 1)->revision.number, 1);
}

TEST(History, AMissingRevisionSaysWhichThereAre) {
  const Status missing = EntryOf({Numbered(1), Numbered(3)}, 2).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("there are: 1, 3"));
  EXPECT_EQ(EntryOf({Numbered(1)}, 0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(EntryOf({}, 0).status().code(), absl::StatusCode::kNotFound);
}

TEST(History, TheTableHasNumbersAndCauses) {
  EXPECT_EQ(HistoryTable({Numbered(1), Numbered(12, "nginx 1.27")}),
            "REVISION  CHANGE-CAUSE\n"
            "1         <none>\n"
            "12        nginx 1.27\n");
  EXPECT_EQ(HistoryJson({Numbered(1, "x")}),
            nlohmann::json::parse(R"([{"revision":1,"name":"web-1",)"
                                  R"("created":"2026-01-02T03:04:05Z","changeCause":"x"}])"));
}

}  // namespace
}  // namespace berth::rollout
