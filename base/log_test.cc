#include "base/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/flags.h"

namespace berth {
namespace {

std::string Written(const LogOptions& options, const LogLine& line) {
  testing::internal::CaptureStderr();
  EXPECT_TRUE(StartLogging(options).ok());
  line.Write(spdlog::level::info);
  return testing::internal::GetCapturedStderr();
}

LogLine Sample() {
  LogLine line("volume made");
  line.Field("volume", "lab/rbd/pvc-1").Field("error", "no \"space\"\nleft").Field("ms", 12);
  return line;
}

TEST(Log, TextIsOneLineWhateverTheFieldsHold) {
  const std::string text =
      Written({.level = "info", .format = LogFormat::kText, .program = "p"}, Sample());
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_NE(text.find(R"(volume made volume=lab/rbd/pvc-1 error="no \"space\"\nleft" ms=12)"),
            std::string::npos)
      << text;
}

TEST(Log, JsonIsAnObject) {
  const std::string text =
      Written({.level = "info", .format = LogFormat::kJson, .program = "p"}, Sample());
  const nlohmann::json line = nlohmann::json::parse(text);
  EXPECT_EQ(line["message"], "volume made");
  EXPECT_EQ(line["error"], "no \"space\"\nleft");
  EXPECT_EQ(line["ms"], 12);
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["program"], "p");
}

TEST(Log, InvalidUtf8DoesNotBreakTheLine) {
  LogLine line("m");
  line.Field("name", "\xff\xfe");
  EXPECT_TRUE(nlohmann::json::accept(
      Written({.level = "info", .format = LogFormat::kJson, .program = "p"}, line)));
}

TEST(Log, UnknownLevelIsRefused) {
  EXPECT_FALSE(StartLogging({.level = "loud", .format = LogFormat::kText, .program = "p"}).ok());
}

TEST(UnixSocketPath, FormsAndLimits) {
  EXPECT_EQ(*UnixSocketPath("unix:///run/csi.sock"), "/run/csi.sock");
  EXPECT_EQ(*UnixSocketPath("unix:/run/csi.sock"), "/run/csi.sock");
  EXPECT_EQ(*UnixSocketPath("/run/csi.sock"), "/run/csi.sock");
  EXPECT_FALSE(UnixSocketPath("tcp://127.0.0.1:1").ok());
  EXPECT_FALSE(UnixSocketPath("").ok());
  EXPECT_FALSE(UnixSocketPath("/" + std::string(107, 'x')).ok());
}

TEST(Flags, EveryMistakeIsOneLineThatSaysWhatToDo) {
  const auto parse = [](std::vector<const char*> words, std::string& error) {
    Flags flags("berth-test", "A test.", "1.2.3");
    std::string endpoint;
    flags.AddCsiEndpoint(endpoint);
    words.insert(words.begin(), "berth-test");
    testing::internal::CaptureStderr();
    const std::optional<int> code =
        flags.Parse(static_cast<int>(words.size()), const_cast<char**>(words.data()));
    error = testing::internal::GetCapturedStderr();
    return code;
  };
  std::string error;
  EXPECT_EQ(parse({"--csi-endpoint", "/a"}, error), std::nullopt);
  for (const std::vector<const char*>& wrong : {std::vector<const char*>{},
                                                {"--csi-endpoint", "/a", "--nonsense"},
                                                {"--csi-endpoint", "/a", "--log-level", "loud"},
                                                {"--csi-endpoint", "/a", "--log-format", "xml"}}) {
    EXPECT_EQ(parse(wrong, error), 2);
    EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 1) << error;
    EXPECT_EQ(error.find("berth-test: "), 0U) << error;
  }
}

}  // namespace
}  // namespace berth
