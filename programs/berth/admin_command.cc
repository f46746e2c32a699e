#include "programs/berth/admin_command.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <CLI/Validators.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "base/grpc_status.h"

namespace berth {
namespace {

// Where deploy/kubernetes puts it.
constexpr char kSocket[] = "/run/berth/csi.sock";
constexpr char kController[] = "deployment/berth-controller";
constexpr char kContainer[] = "berth-controller";

}  // namespace

CLI::App& AdminCommand::Add(CLI::App& parent, const std::string& name,
                            const std::string& description) {
  CLI::App& command = *parent.add_subcommand(name, description);
  command.add_option("-o,--output", output_, "json; absent: text")->check(CLI::IsMember({"json"}));
  command.add_option("--endpoint", endpoint_,
                     "berth-controller's socket, unix:///path; absent: the usual one where there "
                     "is one, else this command is run in the controller's pod by kubectl");
  command.add_option("-n,--namespace", namespace_, "where berth-controller runs")
      ->capture_default_str();
  command.add_option("--kubeconfig", kubeconfig_, "for kubectl");
  command.add_option("--context", context_, "for kubectl");
  command.add_option("--timeout-s", timeout_s_, "how long to wait for the answer, in seconds")
      ->check(CLI::Range(1, 600))
      ->capture_default_str();
  return command;
}

Status AdminCommand::Run() {
  std::string target = endpoint_;
  if (target.empty() && std::filesystem::is_socket(kSocket)) {
    target = fmt::format("unix://{}", kSocket);
  }
  if (target.empty()) return RunInPod();
  const auto stub =
      admin::v1::Admin::NewStub(grpc::CreateChannel(target, grpc::InsecureChannelCredentials()));
  return Ask(*stub);
}

// Does not return when it succeeds: kubectl takes this process over, with its exit code.
Status AdminCommand::RunInPod() const {
  std::vector<std::string> argv = {"kubectl"};
  if (!kubeconfig_.empty()) argv.insert(argv.end(), {"--kubeconfig", kubeconfig_});
  if (!context_.empty()) argv.insert(argv.end(), {"--context", context_});
  argv.insert(argv.end(), {"--namespace", namespace_, "exec"});
  if (ReadsInput()) argv.emplace_back("--stdin");
  argv.insert(argv.end(), {kController, "--container", kContainer, "--", "berth"});
  const std::vector<std::string> words = Words();
  argv.insert(argv.end(), words.begin(), words.end());
  argv.insert(argv.end(), {"--timeout-s", std::to_string(timeout_s_)});
  if (json()) argv.insert(argv.end(), {"--output", "json"});
  std::vector<char*> pointers;
  for (std::string& word : argv) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execvp(pointers[0], pointers.data());
  return ErrnoError(
      errno,
      fmt::format("run kubectl, because {} is not here and --endpoint is not given", kSocket));
}

std::unique_ptr<grpc::ClientContext> AdminCommand::NewContext() const {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(timeout_s_));
  return context;
}

Status AdminCommand::Print(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) {
    return absl::InternalError("the answer cannot be written as JSON");
  }
  std::fputs(text.c_str(), stdout);
  return absl::OkStatus();
}

void AdminCommand::PrintTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const std::vector<std::string>& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}   ", row[i], widths[i]);
    }
    std::puts(line.c_str());
  }
}

Status AdminCommand::Report(
    const google::protobuf::RepeatedPtrField<admin::v1::Problem>& problems) {
  for (const admin::v1::Problem& problem : problems) {
    std::fputs(fmt::format("{}: {}\n", problem.subject(), problem.error()).c_str(), stderr);
  }
  if (problems.empty()) return absl::OkStatus();
  return absl::UnavailableError("not everything could be done or looked at; see above");
}

}  // namespace berth
