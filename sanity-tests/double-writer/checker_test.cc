#include "checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace berth {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Kind = HistoryEvent::Kind;

SlotContent Written(uint64_t epoch, uint64_t sequence, uint32_t slot,
                    const std::string& node = "n1") {
  return {.kind = SlotContent::Kind::kStamped,
          .stamp = {.epoch = epoch, .sequence = sequence, .slot = slot, .node = node}};
}

Picture Blank() { return Picture(kSlots); }

Picture With(Picture picture, uint32_t slot, const SlotContent& content) {
  picture[slot] = content;
  return picture;
}

// A made-up epoch, told in the order in which the calls are made.
class Epoch {
 public:
  explicit Epoch(uint64_t epoch, const std::string& node = "n1") {
    history_.epoch = epoch;
    history_.node = node;
  }
  Epoch& Issue(uint32_t slot, uint64_t sequence) { return Add(Kind::kIssued, slot, sequence); }
  Epoch& Acknowledge(uint32_t slot, uint64_t sequence) {
    return Add(Kind::kAcknowledged, slot, sequence);
  }
  Epoch& Write(uint32_t slot, uint64_t sequence) {
    return Issue(slot, sequence).Acknowledge(slot, sequence);
  }
  Epoch& StartSync(uint64_t number) { return Add(Kind::kSyncing, 0, number); }
  Epoch& EndSync(uint64_t number) { return Add(Kind::kSynced, 0, number); }
  Epoch& Sync(uint64_t number) { return StartSync(number).EndSync(number); }
  Epoch& Add(Kind kind, uint32_t slot, uint64_t sequence, const std::string& text = "") {
    history_.events.push_back({.kind = kind, .slot = slot, .sequence = sequence, .text = text});
    return *this;
  }
  const History& history() const { return history_; }
  Interval interval() const { return {.writes = history_}; }
  Interval InOrder() const { return {.writes = history_, .ended_in_order = true}; }

 private:
  History history_;
};

TEST(CheckerTest, AnEpochMayLeaveAnyOfItsWritesThatWasNotSynced) {
  Epoch epoch(3);
  epoch.Write(5, 1).Write(5, 2).Issue(5, 3);
  EXPECT_THAT(CheckInterval(Blank(), epoch.interval(), Blank()), IsEmpty());
  for (const uint64_t sequence : {1, 2, 3}) {
    EXPECT_THAT(CheckInterval(Blank(), epoch.interval(), With(Blank(), 5, Written(3, sequence, 5))),
                IsEmpty())
        << sequence;
  }
}

TEST(CheckerTest, AWriteThatWasNeverIssuedIsFound) {
  Epoch epoch(3);
  epoch.Write(5, 1);
  EXPECT_THAT(CheckInterval(Blank(), epoch.interval(), With(Blank(), 5, Written(3, 2, 5))),
              ElementsAre(HasSubstr("slot 5: it held nothing and holds write 2 of epoch 3")));
}

TEST(CheckerTest, AWriteOfAnOldEpochIsFound) {
  const Picture before = With(Blank(), 7, Written(1, 4, 7));
  Epoch epoch(3, "n2");
  epoch.Write(8, 1);
  EXPECT_THAT(CheckInterval(before, epoch.interval(), With(before, 7, Written(1, 5, 7))),
              ElementsAre(HasSubstr("an old epoch wrote after the new one had begun")));
  // Also onto a block that the new epoch had written, and by the same sequence number.
  EXPECT_THAT(CheckInterval(before, epoch.interval(), With(before, 8, Written(1, 1, 8))),
              ElementsAre(HasSubstr("an old epoch wrote after the new one had begun")));
}

TEST(CheckerTest, AStampOfThisEpochByAnotherNodeIsFound) {
  Epoch epoch(3, "n2");
  epoch.Write(8, 1);
  EXPECT_THAT(CheckInterval(Blank(), epoch.interval(), With(Blank(), 8, Written(3, 1, 8, "n1"))),
              ElementsAre(HasSubstr("which is no write of epoch 3")));
}

TEST(CheckerTest, ALostSyncedWriteIsFound) {
  Epoch epoch(3);
  epoch.Write(5, 1).Write(5, 2).Sync(1).Write(5, 3);
  const Picture& before = Blank();
  EXPECT_THAT(CheckInterval(before, epoch.interval(), before),
              ElementsAre(HasSubstr("write 2 of epoch 3 was acknowledged and synced and is lost: "
                                    "it still holds nothing")));
  EXPECT_THAT(CheckInterval(before, epoch.interval(), With(before, 5, Written(3, 1, 5))),
              ElementsAre(HasSubstr("write 2 of epoch 3 was acknowledged and synced and is lost")));
  EXPECT_THAT(CheckInterval(before, epoch.interval(), With(before, 5, Written(3, 2, 5))),
              IsEmpty());
  EXPECT_THAT(CheckInterval(before, epoch.interval(), With(before, 5, Written(3, 3, 5))),
              IsEmpty());
}

TEST(CheckerTest, ASyncVouchesForNothingThatWasAcknowledgedAfterItWasCalled) {
  Epoch epoch(3);
  epoch.Issue(5, 1).StartSync(1).Acknowledge(5, 1).EndSync(1);
  EXPECT_THAT(CheckInterval(Blank(), epoch.interval(), Blank()), IsEmpty());
}

TEST(CheckerTest, ASyncThatFailedVouchesForNothing) {
  Epoch epoch(3);
  epoch.Write(5, 1).StartSync(1).Add(Kind::kSyncFailed, 0, 1);
  EXPECT_THAT(CheckInterval(Blank(), epoch.interval(), Blank()), IsEmpty());
}

TEST(CheckerTest, AnEpochThatEndedInOrderLosesNothing) {
  Epoch epoch(3);
  epoch.Write(5, 1);
  EXPECT_THAT(CheckInterval(Blank(), epoch.interval(), Blank()), IsEmpty());
  EXPECT_THAT(CheckInterval(Blank(), epoch.InOrder(), Blank()),
              ElementsAre(HasSubstr("write 1 of epoch 3 was acknowledged and synced and is lost")));
}

TEST(CheckerTest, ATornBlockIsFound) {
  Epoch epoch(3);
  epoch.Issue(5, 1);
  const SlotContent torn = {.kind = SlotContent::Kind::kTorn, .stamp = {}};
  EXPECT_THAT(CheckInterval(Blank(), epoch.interval(), With(Blank(), 5, torn)),
              ElementsAre(HasSubstr("torn")));
}

TEST(CheckerTest, AWriteInAnotherSlotIsFound) {
  Epoch epoch(3);
  epoch.Issue(5, 1).Issue(6, 1);
  EXPECT_THAT(CheckInterval(Blank(), epoch.interval(), With(Blank(), 6, Written(3, 1, 5))),
              ElementsAre(HasSubstr("which went to slot 5")));
}

TEST(CheckerTest, NothingMayChangeWhileNobodyMayWrite) {
  const Picture before = With(Blank(), 5, Written(3, 1, 5));
  EXPECT_THAT(CheckInterval(before, {}, before), IsEmpty());
  EXPECT_THAT(CheckInterval(before, {}, With(before, 5, Written(3, 2, 5))),
              ElementsAre(HasSubstr("while nobody may write")));
  EXPECT_THAT(CheckInterval(before, {}, Blank()), ElementsAre(HasSubstr("while nobody may write")));
}

TEST(CheckerTest, ATimelineNamesThePicturesBetweenWhichItHappened) {
  Timeline timeline;
  EXPECT_THAT(timeline.Add("first", {}, With(Blank(), 1, Written(1, 1, 1))), IsEmpty());
  Epoch epoch(3);
  epoch.Write(2, 1).Sync(1);
  const Picture second = With(With(Blank(), 1, Written(1, 1, 1)), 2, Written(3, 1, 2));
  EXPECT_THAT(timeline.Add("second", epoch.interval(), second), IsEmpty());
  EXPECT_THAT(timeline.Add("third", {}, With(second, 1, Written(1, 2, 1))),
              ElementsAre(HasSubstr("between \"second\" and \"third\": slot 1")));
}

TEST(CheckerTest, WhatAWriterReadBackWrongIsFound) {
  Epoch epoch(3);
  epoch.Add(Kind::kMismatch, 4, 9, "it wrote 9 and read 8");
  EXPECT_THAT(Mismatches(epoch.history()), ElementsAre(HasSubstr("it wrote 9 and read 8")));
}

class StampTest : public testing::Test {
 protected:
  std::array<char, kBlockBytes> block_ = {};
};

TEST_F(StampTest, IsReadAsItWasWritten) {
  EXPECT_EQ(DecodeBlock(block_).kind, SlotContent::Kind::kBlank);
  const Stamp stamp = {.epoch = 12, .sequence = 1'000'007, .slot = 63, .node = "n2"};
  EncodeBlock(stamp, block_);
  EXPECT_EQ(DecodeBlock(block_),
            (SlotContent{.kind = SlotContent::Kind::kStamped, .stamp = stamp}));
}

TEST_F(StampTest, IsTornWhenAnySectorIsOfAnotherWrite) {
  std::array<char, kBlockBytes> other = {};
  EncodeBlock({.epoch = 12, .sequence = 1, .slot = 3, .node = "n2"}, block_);
  EncodeBlock({.epoch = 12, .sequence = 2, .slot = 3, .node = "n2"}, other);
  for (size_t sector = 0; sector < kBlockBytes; sector += 512) {
    std::array<char, kBlockBytes> torn = block_;
    std::copy_n(other.begin() + static_cast<ptrdiff_t>(sector), 512,
                torn.begin() + static_cast<ptrdiff_t>(sector));
    EXPECT_EQ(DecodeBlock(torn).kind, SlotContent::Kind::kTorn) << sector;
  }
}

TEST(HistoryTest, IsReadAsItWasKept) {
  const std::string path = testing::TempDir() + "/history";
  unlink(path.c_str());
  const auto file = HistoryFile::Create(path);
  ASSERT_TRUE(file.ok()) << file.status();
  file->Begin(9, "n1");
  file->Offset(3, 123456);
  file->Found(3, Written(7, 55, 3, "n2"));
  file->Found(4, {.kind = SlotContent::Kind::kTorn, .stamp = {}});
  file->Ready();
  file->Event({.kind = Kind::kIssued, .slot = 3, .sequence = 1});
  file->Event({.kind = Kind::kFailed, .slot = 3, .sequence = 1, .error = 5});
  file->Event({.kind = Kind::kEnded, .text = "an error, as told"});
  const auto history = ReadHistory(path);
  ASSERT_TRUE(history.ok()) << history.status();
  EXPECT_EQ(history->epoch, 9U);
  EXPECT_EQ(history->node, "n1");
  EXPECT_EQ(history->offsets[3], 123456U);
  EXPECT_EQ(history->found[3], Written(7, 55, 3, "n2"));
  EXPECT_EQ(history->found[4].kind, SlotContent::Kind::kTorn);
  EXPECT_EQ(history->found[5].kind, SlotContent::Kind::kBlank);
  EXPECT_TRUE(history->ready);
  ASSERT_EQ(history->events.size(), 3U);
  EXPECT_EQ(history->events[0].kind, Kind::kIssued);
  EXPECT_EQ(history->events[1].error, 5);
  EXPECT_EQ(history->events[2].text, "an error, as told");
  EXPECT_FALSE(HistoryFile::Create(path).ok()) << "a history is never written over";
}

TEST(HistoryTest, ACutLastLineIsLeftOutAndAStrangeOneIsNot) {
  const auto cut = ParseHistory("epoch 9 n1\nissued 17 3 1 0 \nackno");
  ASSERT_TRUE(cut.ok()) << cut.status();
  EXPECT_EQ(cut->events.size(), 1U);
  EXPECT_FALSE(ParseHistory("issued 17 3\n").ok());
  EXPECT_FALSE(ParseHistory("issued 17 64 1 0 \n").ok());
  EXPECT_FALSE(ParseHistory("sang 17 3 1 0 \n").ok());
  EXPECT_FALSE(ParseHistory("found 3 blue\n").ok());
}

}  // namespace
}  // namespace berth
