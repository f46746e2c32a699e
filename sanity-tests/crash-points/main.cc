// crash-points: kills each program before and after each call of Ceph, mount or file that it makes
// in a volume's life, and looks whether the life goes on as if nothing had happened. README.md
// beside this file says more.

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/synchronized.h"
#include "life.h"
#include "remains.h"
#include "world.h"

namespace berth {
namespace {

struct Options {
  Places places;
  int workers = 2;
  uint32_t most_calls = 4;  // of one symbol by one program in one step
  std::string only;         // crashes whose description has this
  uint32_t part = 1;        // every so-manieth,
  uint64_t first = 0;       // from this one on, counted modulo `part`
};

struct Results {
  size_t passed = 0;
  std::vector<std::string> failed;
  std::vector<std::string> not_met;
  std::map<std::string, size_t> refusals;
};

// Makes worlds one after the other, each with a name of its own.
class Worker {
 public:
  Worker(const Options& options, size_t number) : options_(options), number_(number) {}

  // A life in a world whose programs have served others before, or have just started.
  StatusOr<LifeReport> Live(const std::optional<PlannedCrash>& crash,
                            const std::vector<std::string>& expected, bool fresh) {
    if (fresh) world_.reset();
    if (world_ == nullptr) {
      Places places = options_.places;
      const std::string name = fmt::format("w{}-{}", number_, ++worlds_);
      places.work += "/" + name;
      places.rados_namespace = fmt::format("crash-{}-{}", getpid(), name);
      BERTH_ASSIGN_OR_RETURN(world_, World::Start(places));
    }
    const std::string name = fmt::format("life-{}-{}-{}", number_, worlds_, ++lives_);
    Life life(*world_, name);
    LifeReport report = life.Run(crash, expected);
    if (!report.wrong.empty()) {
      report.wrong.push_back(fmt::format("logs of {} are in {}", name, world_->places().work));
      world_.reset();  // what is wrong in a world must not look wrong in the next life
    }
    return report;
  }

 private:
  const Options& options_;
  const size_t number_;
  size_t worlds_ = 0;
  size_t lives_ = 0;
  std::unique_ptr<World> world_;
};

// Both of a life in a fresh world and of a later one: connections are made in the first.
struct Enumeration {
  std::vector<std::string> answers;
  std::vector<Meetings> meetings;
};

StatusOr<Enumeration> Enumerate(const Options& options) {
  Worker worker(options, 0);
  Enumeration all;
  for (const bool fresh : {true, false}) {
    BERTH_ASSIGN_OR_RETURN(const LifeReport report, worker.Live(std::nullopt, all.answers, fresh));
    if (!report.wrong.empty()) {
      return absl::InternalError("a life without a crash goes wrong: " +
                                 absl::StrJoin(report.wrong, "; "));
    }
    if (all.meetings.empty()) {
      all.answers = report.answers;
      all.meetings = report.meetings;
    }
    for (size_t step = 0; step < Life::step_count(); ++step) {
      for (size_t program = 0; program < kProgramCount; ++program) {
        for (size_t symbol = 0; symbol < kPointSymbolCount; ++symbol) {
          uint32_t& most = all.meetings[step][program][symbol];
          most = std::max(most, report.meetings[step][program][symbol]);
        }
      }
    }
  }
  return all;
}

std::vector<PlannedCrash> PlanCrashes(const Options& options, const Enumeration& enumeration) {
  std::vector<PlannedCrash> plan;
  for (size_t step = 0; step < Life::step_count(); ++step) {
    for (uint32_t program = 0; program < kProgramCount; ++program) {
      if (!Life::MayDie(step, static_cast<Program>(program))) continue;
      for (uint32_t symbol = 0; symbol < kPointSymbolCount; ++symbol) {
        const uint32_t calls =
            std::min(enumeration.meetings[step][program][symbol], options.most_calls);
        for (uint32_t nth = 1; nth <= calls; ++nth) {
          for (const Side side : {Side::kBefore, Side::kAfter}) {
            plan.push_back({step, {static_cast<Program>(program), symbol, nth, side}});
          }
        }
      }
    }
  }
  std::erase_if(plan, [&](const PlannedCrash& crash) {
    return !absl::StrContains(Describe(crash), options.only);
  });
  std::vector<PlannedCrash> part;
  for (size_t i = options.first % options.part; i < plan.size(); i += options.part)
    part.push_back(plan[i]);
  return part;
}

// An import that no call meets is not shown to be safe.
std::vector<std::string> NeverMet(const Enumeration& enumeration) {
  std::vector<std::string> never;
  for (size_t symbol = 0; symbol < kPointSymbolCount; ++symbol) {
    bool met = false;
    for (const Meetings& of_step : enumeration.meetings) {
      for (const auto& of_program : of_step) met = met || of_program[symbol] > 0;
    }
    if (!met && kPointSymbols[symbol].must_be_met) never.emplace_back(kPointSymbols[symbol].name);
  }
  return never;
}

// Some points are met in a fresh world only, others in a used one only.
StatusOr<LifeReport> LiveWithCrash(Worker& worker, const PlannedCrash& crash,
                                   const std::vector<std::string>& expected) {
  BERTH_ASSIGN_OR_RETURN(LifeReport report, worker.Live(crash, expected, false));
  if (report.crashed || !report.wrong.empty()) return report;
  return worker.Live(crash, expected, true);
}

void Judge(const PlannedCrash& crash, const StatusOr<LifeReport>& report, Results& results) {
  const std::string name = Describe(crash);
  if (!report.ok()) {
    results.failed.push_back(fmt::format("{}: {}", name, report.status().ToString()));
  } else if (!report->wrong.empty()) {
    results.failed.push_back(fmt::format("{}: {}", name, absl::StrJoin(report->wrong, "; ")));
  } else if (!report->crashed) {
    results.not_met.push_back(name);
    return;
  } else {
    ++results.passed;
    for (const std::string& refusal : report->refusals) ++results.refusals[refusal];
    return;
  }
  std::printf("FAILED %s\n", results.failed.back().c_str());
  std::fflush(stdout);
}

void PrintPlan(const std::vector<PlannedCrash>& plan) {
  std::map<std::pair<size_t, size_t>, size_t> counts;
  for (const PlannedCrash& crash : plan) {
    ++counts[{crash.step, static_cast<size_t>(crash.point.program)}];
  }
  for (const auto& [where, count] : counts) {
    std::printf("%s: %zu crashes of %s\n", Life::StepName(where.first), count,
                kProgramNames[where.second]);
  }
}

void RunPlan(const Options& options, const std::vector<PlannedCrash>& plan,
             const std::vector<std::string>& expected, Synchronized<Results>& results) {
  std::atomic<size_t> next = 0;
  std::vector<std::thread> threads;
  for (int number = 1; number <= options.workers; ++number) {
    threads.emplace_back([&, number] {
      Worker worker(options, static_cast<size_t>(number));
      for (size_t i = next++; i < plan.size(); i = next++) {
        const absl::Time begin = absl::Now();
        const StatusOr<LifeReport> report = LiveWithCrash(worker, plan[i], expected);
        std::printf("%zu/%zu %s: %s, %.1f s\n", i + 1, plan.size(), Describe(plan[i]).c_str(),
                    !report.ok() || !report->wrong.empty() ? "wrong"
                    : report->crashed                      ? "held"
                                                           : "not met",
                    absl::ToDoubleSeconds(absl::Now() - begin));
        std::fflush(stdout);
        Judge(plan[i], report, *results.Lock());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

int Report(const Results& results, size_t planned) {
  for (const auto& [refusal, count] : results.refusals) {
    std::printf("refused meanwhile: %s (%zu times)\n", refusal.c_str(), count);
  }
  for (const std::string& name : results.not_met) std::printf("not met again: %s\n", name.c_str());
  for (const std::string& failure : results.failed) std::printf("FAILED %s\n", failure.c_str());
  std::printf("%zu crashes planned, %zu not met again\n", planned, results.not_met.size());
  std::printf("crash-points: %zu passed, %zu failed\n", results.passed, results.failed.size());
  return results.failed.empty() && results.passed > 0 ? 0 : 1;
}

int Run(const Options& options) {
  for (const std::string& device : DetachOrphanedLoopDevices()) {
    std::printf("was there before: %s; detached\n", device.c_str());
  }
  const absl::Time begin = absl::Now();
  const StatusOr<Enumeration> enumeration = Enumerate(options);
  if (!enumeration.ok()) {
    std::printf("FAILED %s\n", enumeration.status().ToString().c_str());
    return 1;
  }
  Synchronized<Results> results;
  for (const std::string& symbol : NeverMet(*enumeration)) {
    results.Lock()->failed.push_back(symbol +
                                     ": is imported as a crash point, and no step calls it");
  }
  const std::vector<PlannedCrash> plan = PlanCrashes(options, *enumeration);
  PrintPlan(plan);
  std::printf("%zu crashes; two lives without one took %.1f s\n", plan.size(),
              absl::ToDoubleSeconds(absl::Now() - begin));
  std::fflush(stdout);
  RunPlan(options, plan, enumeration->answers, results);
  return Report(*results.Lock(), plan.size());
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  CLI::App app("Kills the programs at every crash point of a volume's life");
  berth::Options options;
  app.add_option("--work", options.places.work, "a new directory, with a short path")->required();
  app.add_option("--bin", options.places.bin, "directory of the programs under test")->required();
  app.add_option("--clusters", options.places.clusters)->required();
  app.add_option("--workers", options.workers, "lives at a time")->check(CLI::Range(1, 64));
  app.add_option("--most-calls", options.most_calls,
                 "of a symbol that a step calls more often, only the first so many calls");
  app.add_option("--only", options.only, "crashes whose description has this text");
  app.add_option("--part", options.part, "every so-manieth crash only")->check(CLI::Range(1, 1000));
  app.add_option("--first", options.first, "the first of these, modulo --part");
  CLI11_PARSE(app, argc, argv);
  options.places.bin = std::filesystem::absolute(options.places.bin);
  return berth::Run(options);
}
