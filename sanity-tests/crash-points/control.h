#pragma once

#include <atomic>
#include <cstdint>

namespace berth {

// The symbols with a crash point, in the order of points.inc, which classify.py makes of what the
// programs import.
struct PointSymbol {
  const char* name;
  bool must_be_met;  // by some call of the test
};
inline constexpr PointSymbol kPointSymbols[] = {
#define CRASH_POINT(index, name, must_be_met) {#name, must_be_met},
#include "points.inc"
#undef CRASH_POINT
};
inline constexpr uint32_t kPointSymbolCount = sizeof kPointSymbols / sizeof kPointSymbols[0];

enum class Program : uint32_t { kController, kNode, kData, kIo };
inline constexpr const char* kProgramNames[] = {"berth-controller", "berth-node", "berth-data",
                                                "berth-data io"};
inline constexpr uint32_t kProgramCount = 4;

enum class Side : uint32_t { kBefore, kAfter };

// A moment in a program's life: before or after it calls `symbol` for the `nth` time (from 1).
struct CrashPoint {
  Program program = Program::kController;
  uint32_t symbol = 0;
  uint32_t nth = 1;
  Side side = Side::kBefore;
};

// What the test and the programs share in memory: the test writes `point` and then `mode`, the
// programs count.
struct CrashControl {
  enum Mode : uint32_t { kOff, kCount, kCrash };
  std::atomic<uint32_t> mode;
  std::atomic<uint32_t> crashed;  // 1 once a program has met the point and died of it
  CrashPoint point;
  std::atomic<uint32_t> met[kProgramCount][kPointSymbolCount];  // since the mode was set
};
static_assert(std::atomic<uint32_t>::is_always_lock_free);

// The environment variable that names the file of the CrashControl.
inline constexpr char kControlVariable[] = "BERTH_CRASH_CONTROL";

}  // namespace berth
