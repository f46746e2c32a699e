#include "history.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace berth {
namespace {

using Kind = HistoryEvent::Kind;

constexpr std::array<std::pair<Kind, std::string_view>, 8> kWords = {
    {{Kind::kIssued, "issued"},
     {Kind::kAcknowledged, "acknowledged"},
     {Kind::kFailed, "failed"},
     {Kind::kSyncing, "syncing"},
     {Kind::kSynced, "synced"},
     {Kind::kSyncFailed, "sync-failed"},
     {Kind::kMismatch, "mismatch"},
     {Kind::kEnded, "ended"}}};

std::string_view WordOf(Kind kind) {
  for (const auto& [known, word] : kWords) {
    if (known == kind) return word;
  }
  return "?";
}

Status NotUnderstood(const std::string& line) {
  return absl::DataLossError(fmt::format("a history has a line \"{}\"", line));
}

Status CheckSlot(uint32_t slot, const std::string& line) {
  return slot < kSlots ? absl::OkStatus() : NotUnderstood(line);
}

Status AddFound(std::istringstream& words, const std::string& line, History& history) {
  uint32_t slot = kSlots;
  std::string kind;
  words >> slot >> kind;
  BERTH_RETURN_IF_ERROR(CheckSlot(slot, line));
  SlotContent& content = history.found[slot];
  if (kind == "blank") {
    content = {};
  } else if (kind == "torn") {
    content = {.kind = SlotContent::Kind::kTorn, .stamp = {}};
  } else if (kind == "stamp") {
    content.kind = SlotContent::Kind::kStamped;
    words >> content.stamp.epoch >> content.stamp.sequence >> content.stamp.slot >>
        content.stamp.node;
  } else {
    return NotUnderstood(line);
  }
  return absl::OkStatus();
}

Status AddEvent(const std::string& word, std::istringstream& words, const std::string& line,
                History& history) {
  for (const auto& [kind, known] : kWords) {
    if (known != word) continue;
    HistoryEvent event;
    event.kind = kind;
    words >> event.time_us >> event.slot >> event.sequence >> event.error;
    if (!words) return NotUnderstood(line);
    BERTH_RETURN_IF_ERROR(CheckSlot(event.slot, line));
    std::getline(words >> std::ws, event.text);
    history.events.push_back(std::move(event));
    return absl::OkStatus();
  }
  return NotUnderstood(line);
}

Status AddLine(const std::string& line, History& history) {
  std::istringstream words(line);
  std::string word;
  words >> word;
  if (word == "epoch") {
    words >> history.epoch >> history.node;
  } else if (word == "offset") {
    uint32_t slot = kSlots;
    words >> slot;
    BERTH_RETURN_IF_ERROR(CheckSlot(slot, line));
    words >> history.offsets[slot];
  } else if (word == "found") {
    return AddFound(words, line, history);
  } else if (word == "ready") {
    history.ready = true;
  } else {
    return AddEvent(word, words, line, history);
  }
  return words ? absl::OkStatus() : NotUnderstood(line);
}

}  // namespace

StatusOr<History> ParseHistory(std::string_view text) {
  History history;
  history.offsets.resize(kSlots);
  history.found.resize(kSlots);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    BERTH_RETURN_IF_ERROR(AddLine(std::string(text.substr(0, end)), history));
    text.remove_prefix(end + 1);
  }
  return history;
}

StatusOr<History> ReadHistory(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) return absl::NotFoundError(fmt::format("cannot read history {}", path));
  StatusOr<History> history = ParseHistory(text);
  if (!history.ok()) return Annotate(history.status(), path);
  return history;
}

StatusOr<HistoryFile> HistoryFile::Create(const std::string& path) {
  Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoError(errno, fmt::format("make history {}", path));
  return HistoryFile(std::move(file));
}

void HistoryFile::Begin(uint64_t epoch, const std::string& node) const {
  Line(fmt::format("epoch {} {}\n", epoch, node));
}

void HistoryFile::Offset(uint32_t slot, uint64_t offset) const {
  Line(fmt::format("offset {} {}\n", slot, offset));
}

void HistoryFile::Found(uint32_t slot, const SlotContent& content) const {
  switch (content.kind) {
    case SlotContent::Kind::kBlank:
      return Line(fmt::format("found {} blank\n", slot));
    case SlotContent::Kind::kTorn:
      return Line(fmt::format("found {} torn\n", slot));
    case SlotContent::Kind::kStamped:
      return Line(fmt::format("found {} stamp {} {} {} {}\n", slot, content.stamp.epoch,
                              content.stamp.sequence, content.stamp.slot, content.stamp.node));
  }
}

void HistoryFile::Ready() const { Line("ready\n"); }

void HistoryFile::Event(const HistoryEvent& event) const {
  Line(fmt::format("{} {} {} {} {} {}\n", WordOf(event.kind), MonotonicUs(), event.slot,
                   event.sequence, event.error, event.text));
}

// A history with a hole proves nothing, so a writer that cannot keep one must not go on.
void HistoryFile::Line(const std::string& line) const {
  if (write(file_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error("the history cannot be written; is the disk full?");
  }
}

int64_t MonotonicUs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace berth
