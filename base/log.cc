#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>

#include <memory>
#include <nlohmann/json.hpp>

namespace berth {
namespace {

// Invalid UTF-8 is replaced and not refused: a log line must never fail.
std::string JsonString(std::string_view value) {
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// The default logger's name says which form its lines have.
constexpr char kJsonLogger[] = "json";
constexpr char kTextLogger[] = "text";

bool NeedsQuotes(std::string_view value) {
  return value.empty() || value.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789-_./:@+,[]") != std::string_view::npos;
}

}  // namespace

Status StartLogging(const LogOptions& options) {
  const spdlog::level::level_enum level = spdlog::level::from_str(options.level);
  if (level == spdlog::level::off && options.level != "off") {
    return absl::InvalidArgumentError(fmt::format(
        "--log-level \"{}\" is unknown; use trace, debug, info, warning or error", options.level));
  }
  const bool json = options.format == LogFormat::kJson;
  auto logger = std::make_shared<spdlog::logger>(json ? kJsonLogger : kTextLogger,
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(level);
  logger->flush_on(spdlog::level::trace);
  if (json) {
    logger->set_pattern(
        fmt::format(R"({{"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","program":{},%v}})",
                    JsonString(options.program)));
  } else {
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %L %v");
  }
  spdlog::set_default_logger(std::move(logger));
  return absl::OkStatus();
}

LogLine::LogLine(std::string_view message)
    : message_(message), json_(fmt::format("\"message\":{}", JsonString(message))) {}

LogLine& LogLine::Field(std::string_view key, std::string_view value) {
  const std::string quoted = JsonString(value);
  text_ += fmt::format(" {}={}", key, NeedsQuotes(value) ? quoted : std::string(value));
  json_ += fmt::format(",{}:{}", JsonString(key), quoted);
  return *this;
}

LogLine& LogLine::Field(std::string_view key, int64_t value) {
  text_ += fmt::format(" {}={}", key, value);
  json_ += fmt::format(",{}:{}", JsonString(key), value);
  return *this;
}

void LogLine::Write(spdlog::level::level_enum level) const {
  spdlog::logger* logger = spdlog::default_logger_raw();
  if (logger->name() == kJsonLogger) {
    logger->log(level, json_);
  } else {
    logger->log(level, message_ + text_);
  }
}

}  // namespace berth
