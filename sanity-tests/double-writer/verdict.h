#pragma once

#include <cstdint>
#include <deque>
#include <fstream>
#include <string>
#include <vector>

#include "base/synchronized.h"

namespace berth {

// What happened in a run, in one file, and what is wrong with it. Thread-safe.
class Verdict {
 public:
  explicit Verdict(const std::string& log_path);
  void Note(const std::string& who, const std::string& what);
  // The first one ends the run. Lines of the log around it are kept for PrintViolations.
  void Violation(const std::string& who, const std::string& what);
  // The run cannot be gone on with and shows nothing: the lab failed, or there was no progress.
  void Broken(const std::string& who, const std::string& what);
  // True after either.
  bool failed();
  bool broken();
  void PrintViolations();
  // What the run consisted of: it says little if little happened.
  void Count(const std::string& what, uint64_t times = 1);
  uint64_t counted(const std::string& what);
  std::string Counts();

 private:
  struct State {
    std::ofstream log;
    std::deque<std::string> latest;
    std::vector<std::string> violations;
    bool broken = false;              // and none was found before
    std::vector<std::string> around;  // the first violation
    std::vector<std::pair<std::string, uint64_t>> counts;
  };
  static void Write(State& state, const std::string& who, const std::string& what);
  Synchronized<State> state_;
};

}  // namespace berth
