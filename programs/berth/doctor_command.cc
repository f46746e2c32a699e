#include "programs/berth/doctor_command.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "absl/strings/str_join.h"
#include "base/grpc_status.h"

namespace berth {
namespace {

constexpr int kSomethingIsWrong = 3;

void Say(const std::string& text) { std::fputs(text.c_str(), stdout); }

std::string DescribeCluster(const admin::v1::ClusterSummary& cluster) {
  if (!cluster.connected()) return fmt::format("cluster {}: not reached\n", cluster.cluster());
  return fmt::format(
      "cluster {}: {}; monitors {} answer in {:.1f} ms; {} volumes, {} nodes\n", cluster.cluster(),
      absl::StrJoin(cluster.ceph_versions(), ", "), absl::StrJoin(cluster.monitors(), ","),
      static_cast<double>(cluster.answer_us()) / 1000, cluster.volumes(), cluster.nodes());
}

void PrintFindings(const admin::v1::ExamineResponse& found) {
  for (const admin::v1::ClusterSummary& cluster : found.clusters()) Say(DescribeCluster(cluster));
  for (const admin::v1::Finding& finding : found.findings()) {
    Say(fmt::format("\n{} {}: {}\n  {}\n  why it matters: {}\n  what to do: {}\n",
                    finding.severity(), finding.kind(), finding.object(), finding.problem(),
                    finding.impact(), finding.advice()));
    if (finding.has_remedy())
      Say(fmt::format("  --fix would: {}\n", finding.remedy().description()));
  }
  if (found.findings().empty()) Say("nothing is wrong\n");
}

admin::v1::RepairRequest RemediesOf(const admin::v1::ExamineResponse& found) {
  admin::v1::RepairRequest request;
  for (const admin::v1::Finding& finding : found.findings()) {
    if (finding.has_remedy()) *request.add_remedies() = finding.remedy();
  }
  return request;
}

// Asks on standard error, so that what is printed stays what was found. An end of input is a no.
bool IsConfirmed(const admin::v1::RepairRequest& request) {
  std::string question = "\nBerth would:\n";
  for (const admin::v1::Remedy& remedy : request.remedies()) {
    question += fmt::format("- {}\n", remedy.description());
  }
  std::fputs((question + "Shall it? [y/N] ").c_str(), stderr);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

void PrintOutcomes(const admin::v1::RepairResponse& response) {
  Say("\n");
  for (const admin::v1::RepairOutcome& outcome : response.outcomes()) {
    Say(fmt::format("{}: {}{}{}\n", outcome.outcome(), outcome.remedy().description(),
                    outcome.message().empty() ? "" : ": ", outcome.message()));
  }
  Say("\nafterwards:\n");
  PrintFindings(response.after());
}

}  // namespace

CLI::App& DoctorCommand::AddTo(CLI::App& parent) {
  CLI::App& command =
      Add(parent, "doctor", "what is wrong with the clusters, and what Berth has in them");
  CLI::Option* const fix =
      command.add_flag("--fix", fix_, "does the repairs that are safe, after showing them");
  command.add_flag("--yes", yes_, "with --fix: does not ask")->needs(fix);
  return command;
}

std::vector<std::string> DoctorCommand::Words() const {
  std::vector<std::string> words = {"doctor"};
  if (fix_) words.emplace_back("--fix");
  if (yes_) words.emplace_back("--yes");
  return words;
}

Status DoctorCommand::Ask(admin::v1::Admin::Stub& stub) {
  admin::v1::ExamineResponse found;
  BERTH_RETURN_IF_ERROR(FromGrpc(stub.Examine(NewContext().get(), {}, &found)));
  Conclude(found);
  if (fix_) return Fix(stub, found);
  if (json()) return Print(found);
  PrintFindings(found);
  return absl::OkStatus();
}

Status DoctorCommand::Fix(admin::v1::Admin::Stub& stub, const admin::v1::ExamineResponse& found) {
  if (!json()) PrintFindings(found);
  const admin::v1::RepairRequest request = RemediesOf(found);
  std::fflush(stdout);
  admin::v1::RepairResponse response;
  if (request.remedies().empty() || (!yes_ && !IsConfirmed(request))) {
    *response.mutable_after() = found;
    if (json()) return Print(response);
    Say("\nnothing was changed\n");
    return absl::OkStatus();
  }
  BERTH_RETURN_IF_ERROR(FromGrpc(stub.Repair(NewContext().get(), request, &response)));
  Conclude(response.after());
  if (json()) return Print(response);
  PrintOutcomes(response);
  return absl::OkStatus();
}

void DoctorCommand::Conclude(const admin::v1::ExamineResponse& found) {
  const bool wrong =
      std::any_of(found.findings().begin(), found.findings().end(),
                  [](const admin::v1::Finding& finding) { return finding.severity() != "info"; });
  exit_code_ = wrong ? kSomethingIsWrong : 0;
}

}  // namespace berth
