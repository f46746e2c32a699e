#include "checker.h"

#include <spdlog/fmt/fmt.h>

#include <map>
#include <set>

namespace berth {
namespace {

using Kind = HistoryEvent::Kind;

// The writes of one epoch to one slot.
struct SlotWrites {
  std::set<uint64_t> issued;
  std::optional<uint64_t> acknowledged;  // the last one
  std::optional<uint64_t> durable;       // the last one that must not be lost
};

// A sync vouches for what had been acknowledged when it was called.
std::vector<SlotWrites> BySlot(const History& history, bool ended_in_order) {
  std::vector<SlotWrites> slots(kSlots);
  std::map<uint64_t, std::vector<std::optional<uint64_t>>> vouched;  // by sync
  for (const HistoryEvent& event : history.events) {
    switch (event.kind) {
      case Kind::kIssued:
        slots[event.slot].issued.insert(event.sequence);
        break;
      case Kind::kAcknowledged:
        slots[event.slot].acknowledged = event.sequence;
        break;
      case Kind::kSyncing:
        for (const SlotWrites& slot : slots) vouched[event.sequence].push_back(slot.acknowledged);
        break;
      case Kind::kSynced:
        for (uint32_t slot = 0; slot < kSlots; ++slot) {
          slots[slot].durable = vouched[event.sequence].at(slot);
        }
        break;
      case Kind::kFailed:
      case Kind::kSyncFailed:
      case Kind::kMismatch:
      case Kind::kEnded:
        break;
    }
  }
  if (ended_in_order) {
    for (SlotWrites& slot : slots) slot.durable = slot.acknowledged;
  }
  return slots;
}

bool IsWriteOf(const History& history, const SlotWrites& writes, const SlotContent& content) {
  return content.kind == SlotContent::Kind::kStamped && content.stamp.epoch == history.epoch &&
         content.stamp.node == history.node && writes.issued.contains(content.stamp.sequence);
}

std::string Unexplained(const Interval& between, const SlotContent& was, const SlotContent& is) {
  if (!between.writes) {
    return fmt::format("it held {} and holds {}, while nobody may write", was.ToString(),
                       is.ToString());
  }
  const uint64_t epoch = between.writes->epoch;
  const bool older = is.kind == SlotContent::Kind::kStamped && is.stamp.epoch < epoch;
  return fmt::format("it held {} and holds {}, which is no write of epoch {}{}", was.ToString(),
                     is.ToString(), epoch,
                     older ? ": an old epoch wrote after the new one had begun" : "");
}

// Empty: nothing is wrong.
std::string CheckSlot(uint32_t slot, const SlotContent& was, const Interval& between,
                      const SlotWrites& writes, const SlotContent& is) {
  if (is.kind == SlotContent::Kind::kTorn) return "it is torn: no whole write is in it";
  if (is.kind == SlotContent::Kind::kStamped && is.stamp.slot != slot) {
    return fmt::format("it holds {}, which went to slot {}", is.ToString(), is.stamp.slot);
  }
  if (between.writes && IsWriteOf(*between.writes, writes, is)) {
    if (!writes.durable || is.stamp.sequence >= *writes.durable) return "";
    return fmt::format("write {} of epoch {} was acknowledged and synced and is lost: it holds {}",
                       *writes.durable, between.writes->epoch, is.ToString());
  }
  if (is != was) return Unexplained(between, was, is);
  if (!writes.durable) return "";
  return fmt::format(
      "write {} of epoch {} was acknowledged and synced and is lost: it still holds {}",
      *writes.durable, between.writes->epoch, was.ToString());
}

}  // namespace

std::vector<std::string> CheckInterval(const Picture& before, const Interval& between,
                                       const Picture& after) {
  const std::vector<SlotWrites> writes = between.writes
                                             ? BySlot(*between.writes, between.ended_in_order)
                                             : std::vector<SlotWrites>(kSlots);
  std::vector<std::string> wrong;
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    const std::string what = CheckSlot(slot, before[slot], between, writes[slot], after[slot]);
    if (!what.empty()) wrong.push_back(fmt::format("slot {}: {}", slot, what));
  }
  return wrong;
}

std::vector<std::string> Timeline::Add(const std::string& name, const Interval& between,
                                       const Picture& picture) {
  std::vector<std::string> wrong;
  if (last_) {
    for (const std::string& what : CheckInterval(*last_, between, picture)) {
      wrong.push_back(fmt::format("between \"{}\" and \"{}\": {}", last_name_, name, what));
    }
  }
  last_ = picture;
  last_name_ = name;
  return wrong;
}

std::vector<std::string> Mismatches(const History& history) {
  std::vector<std::string> wrong;
  for (const HistoryEvent& event : history.events) {
    if (event.kind != Kind::kMismatch) continue;
    wrong.push_back(
        fmt::format("slot {}: the writer of epoch {} read something else than it had "
                    "written: {}",
                    event.slot, history.epoch, event.text));
  }
  return wrong;
}

}  // namespace berth
