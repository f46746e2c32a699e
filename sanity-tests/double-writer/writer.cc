#include "writer.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <random>
#include <thread>
#include <vector>

#include "base/signals.h"
#include "history.h"
#include "slot_file.h"

namespace berth {
namespace {

using Kind = HistoryEvent::Kind;

constexpr uint32_t kThreads = 8;  // so many writes in flight, of different slots
constexpr uint64_t kLongestThinkTimeUs = 8000;
constexpr uint64_t kLongestSyncPauseMs = 150;
constexpr uint64_t kReadBackEvery = 8;

class Writer {
 public:
  Writer(const WriterOptions& options, const SlotFile& file, const HistoryFile& history)
      : options_(options), file_(file), history_(history), contents_(kSlots) {}

  // Every slot as it is now, before the first write.
  Status TakePicture() {
    BERTH_ASSIGN_OR_RETURN(const std::vector<uint64_t> offsets, file_.Offsets());
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      history_.Offset(slot, offsets[slot]);
      if (const int error = file_.Read(slot, contents_[slot])) {
        return ErrnoError(error, fmt::format("read slot {}", slot));
      }
      history_.Found(slot, contents_[slot]);
    }
    history_.Ready();
    return absl::OkStatus();
  }

  // Until `signals` says so or a call fails; true when all went well.
  bool Run(const SignalWaiter& signals) {
    std::vector<std::thread> threads;
    for (uint32_t first = 0; first < kThreads; ++first) {
      threads.emplace_back([this, first] { Write(first); });
    }
    std::mt19937_64 random(options_.seed);
    while (!failed_ && signals.WaitFor(absl::Milliseconds(
                           5 + static_cast<int64_t>(random() % kLongestSyncPauseMs))) == 0) {
      Sync();
    }
    stop_ = true;
    for (std::thread& thread : threads) thread.join();
    if (!failed_) Sync();
    history_.Event({.kind = Kind::kEnded, .text = failed_ ? "a call failed" : "asked to"});
    return !failed_;
  }

 private:
  // Every kThreads-th slot is this thread's, so no slot has two writes in flight.
  void Write(uint32_t first) {
    std::mt19937_64 random(options_.seed + first + 1);
    while (!stop_ && !failed_) {
      const uint32_t slot =
          first + kThreads * static_cast<uint32_t>(random() % (kSlots / kThreads));
      if (random() % kReadBackEvery == 0) ReadBack(slot);
      WriteSlot(slot);
      // As an application thinks; otherwise eight threads take the machine from what is tested.
      std::this_thread::sleep_for(std::chrono::microseconds(random() % kLongestThinkTimeUs));
    }
  }

  void WriteSlot(uint32_t slot) {
    const uint64_t sequence = ++sequence_;
    const Stamp stamp = {
        .epoch = options_.epoch, .sequence = sequence, .slot = slot, .node = options_.node};
    history_.Event({.kind = Kind::kIssued, .slot = slot, .sequence = sequence});
    if (const int error = file_.Write(stamp)) {
      return Fail({.kind = Kind::kFailed, .slot = slot, .sequence = sequence, .error = error});
    }
    contents_[slot] = {.kind = SlotContent::Kind::kStamped, .stamp = stamp};
    history_.Event({.kind = Kind::kAcknowledged, .slot = slot, .sequence = sequence});
  }

  void ReadBack(uint32_t slot) {
    SlotContent found;
    if (const int error = file_.Read(slot, found)) {
      return Fail({.kind = Kind::kFailed, .slot = slot, .error = error, .text = "read back"});
    }
    if (found == contents_[slot]) return;
    Fail({.kind = Kind::kMismatch,
          .slot = slot,
          .text = fmt::format("it should hold {} and holds {}", contents_[slot].ToString(),
                              found.ToString())});
  }

  void Sync() {
    const uint64_t number = ++syncs_;
    history_.Event({.kind = Kind::kSyncing, .sequence = number});
    if (const int error = file_.Sync()) {
      return Fail({.kind = Kind::kSyncFailed, .sequence = number, .error = error});
    }
    history_.Event({.kind = Kind::kSynced, .sequence = number});
  }

  void Fail(const HistoryEvent& event) {
    history_.Event(event);
    failed_ = true;
  }

  const WriterOptions& options_;
  const SlotFile& file_;
  const HistoryFile& history_;
  Picture contents_;  // what each slot should hold; each is touched by one thread only
  std::atomic<uint64_t> sequence_ = 0;
  uint64_t syncs_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> failed_ = false;
};

Status Run(const WriterOptions& options) {
  const SignalWaiter signals({SIGTERM});
  BERTH_ASSIGN_OR_RETURN(const HistoryFile history, HistoryFile::Create(options.history));
  history.Begin(options.epoch, options.node);
  BERTH_ASSIGN_OR_RETURN(const SlotFile file, options.mounted
                                                  ? SlotFile::OpenOrMakeFile(options.path)
                                                  : SlotFile::OpenDevice(options.path));
  Writer writer(options, file, history);
  BERTH_RETURN_IF_ERROR(writer.TakePicture());
  if (write(options.ready_fd, "r", 1) != 1) return ErrnoError(errno, "say that it is ready");
  if (!writer.Run(signals)) return absl::AbortedError("a call failed: see the history");
  return absl::OkStatus();
}

}  // namespace

int RunWriter(const WriterOptions& options) {
  const Status status = Run(options);
  if (!status.ok()) std::fprintf(stderr, "writer: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace berth
