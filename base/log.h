#pragma once

#include <spdlog/spdlog.h>

#include <string>
#include <string_view>

#include "base/status.h"

namespace berth {

enum class LogFormat { kText, kJson };

struct LogOptions {
  std::string level = "info";  // trace, debug, info, warning, error
  LogFormat format = LogFormat::kText;
  std::string program;  // a field of each JSON line
};

// Sends spdlog's default logger to stderr, one line per message, as text or as one JSON object.
// Called once from main, before threads start. INVALID_ARGUMENT for an unknown level.
Status StartLogging(const LogOptions& options);

// Collects the fields of one log line: text `key=value key="with space"`, or JSON members. The
// message and the fields are escaped, so what a request carries cannot forge a line. Never give it
// a secret.
class LogLine {
 public:
  explicit LogLine(std::string_view message);
  LogLine& Field(std::string_view key, std::string_view value);
  LogLine& Field(std::string_view key, int64_t value);
  // One line at `level` to the default logger.
  void Write(spdlog::level::level_enum level) const;

 private:
  std::string message_;
  std::string text_;
  std::string json_;
};

}  // namespace berth
