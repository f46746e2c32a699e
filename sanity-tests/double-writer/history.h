#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/status.h"
#include "stamp.h"

namespace berth {

// What one writer did in its epoch, in the order in which it was told to the file: a line stands
// before the call that it announces, and after the answer that it reports. So a line that is
// missing when the file is read describes nothing that had happened before.
struct HistoryEvent {
  enum class Kind {
    kIssued,        // of the write `sequence` to `slot`
    kAcknowledged,  // it succeeded
    kFailed,        // it was answered with `error`
    kSyncing,       // fdatasync number `sequence` was called
    kSynced,        // it succeeded
    kSyncFailed,    // it was answered with `error`
    kMismatch,      // the writer read back something else than it had written: `text`
    kEnded,         // the writer ends of its own: because of `text`
  };
  Kind kind = Kind::kIssued;
  int64_t time_us = 0;  // of the monotonic clock, which all processes of a machine share
  uint32_t slot = 0;
  uint64_t sequence = 0;
  int error = 0;
  std::string text = {};
};

struct History {
  uint64_t epoch = 0;
  std::string node;
  std::vector<uint64_t> offsets;  // of each slot in the image, in bytes
  Picture found;                  // what the writer read before its first write
  bool ready = false;             // all of the above is there
  std::vector<HistoryEvent> events;
};

// Reads what a HistoryFile wrote; a last line without its end is left out. DATA_LOSS for anything
// else that it does not understand.
StatusOr<History> ParseHistory(std::string_view text);
StatusOr<History> ReadHistory(const std::string& path);

// The file that a writer keeps. Each line is one write(2) to the end, so what was told survives the
// process. Thread-safe.
class HistoryFile {
 public:
  static StatusOr<HistoryFile> Create(const std::string& path);

  void Begin(uint64_t epoch, const std::string& node) const;
  void Offset(uint32_t slot, uint64_t offset) const;
  void Found(uint32_t slot, const SlotContent& content) const;
  void Ready() const;
  // `event.time_us` is set here.
  void Event(const HistoryEvent& event) const;

 private:
  explicit HistoryFile(Fd file) : file_(std::move(file)) {}
  void Line(const std::string& line) const;
  Fd file_;
};

// Of the monotonic clock, in microseconds.
int64_t MonotonicUs();

}  // namespace berth
