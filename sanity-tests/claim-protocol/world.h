#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fiber.h"
#include "promise.h"
#include "rbd/testing/memory_rados.h"
#include "schedule.h"

namespace berth::exploration {

struct Rules {
  int faults = 0;  // how many times in one run a process may die, or an operation time out
  // What was sent by a process that died or gave up may still arrive, any time later. Without it a
  // process dies before it sends or after it was served, and nothing times out.
  bool late_arrivals = false;
  bool hour_passes = false;  // once, at any time: the fences of dead processes end
  bool may_lift = false;     // clients may take entries out of the blocklist
  MemoryRados::Faults broken_ceph = {};
};

// Programs that share one Ceph in memory. Each runs alone until its next operation on Ceph; which
// one goes on, what becomes of its operation, and when an operation under way arrives, are
// decisions of the schedule.
class World final : public MemoryRados::Chance {
 public:
  World(Schedule& schedule, const Rules& rules)
      : rados(*this, rules.may_lift),
        schedule_(schedule),
        late_arrivals_(rules.late_arrivals),
        faults_left_(rules.faults),
        hour_may_pass_(rules.hour_passes) {
    rados.faults = rules.broken_ceph;
  }

  MemoryRados rados;
  Promise promise;

  // Adds a program; `kind`: programs of one kind are the same but for their names, so that two
  // states in which they have changed places count as one; `may_time_out`: its operations have
  // deadlines. Operations outside of any program are served at once.
  void Add(const std::string& name, const std::string& kind, bool may_time_out,
           std::function<void()> program);

  // Until every program has ended, the promise is broken, or a state is reached that was explored
  // before. False in the last case.
  bool Run();

  // For programs. A point at which the process may die although it asks nothing of Ceph: throws
  // ProcessDied then.
  void Pass(const std::string& what);
  // From here on the program depends on nothing that it did or saw before but what `state` says.
  void Forget(const std::string& state);
  // Two ways that things may go.
  bool Happens(const std::string& what) override;

  MemoryRados::Fate Sent(const MemoryRados::Client& client, MemoryRados::Daemon daemon,
                         const std::string& operation) override;
  void Answered(const std::string& client, const std::string& answer) override;
  void Wait(const std::string& client, const std::string& for_what,
            const std::function<bool()>& condition) override;

  // What the world's programs share, for the state's fingerprint.
  std::function<std::string()> shared_state = [] { return std::string(); };

  // Gets what happens, a line a step.
  std::function<void(const std::string&)> trace;

 private:
  struct Program {
    std::string name;
    std::string kind;
    bool may_time_out = false;
    std::unique_ptr<Fiber> fiber;
    std::string history;                            // all that its next step depends on
    std::map<std::string, std::string> before_get;  // the history before an entry was last read
    std::string pending;                            // the operation before which it stands
    const MemoryRados::Client* client = nullptr;    // that asks Ceph; nullptr: nothing is asked
    MemoryRados::Daemon daemon{};
    std::function<bool()> condition;
    MemoryRados::Fate fate = MemoryRados::Fate::kServed;
  };
  struct Step {
    enum class Kind { kProgram, kDelivery, kLapse } kind;
    Program* program = nullptr;
    MemoryRados::Fate fate = MemoryRados::Fate::kServed;
    std::list<MemoryRados::InFlight>::const_iterator message = {};
  };
  std::vector<Step> PossibleSteps();
  void AddStepsOf(Program& program, std::vector<Step>& steps);
  void AddDeliveries(std::vector<Step>& steps);
  bool MayLapse() const;
  void Take(const Step& step);
  std::string Describe(const Step& step) const;
  void GoOn(Program& program, MemoryRados::Fate fate);
  bool TouchesNothing(const Program& program) const;
  MemoryRados::Fate Suspend(const std::string& pending);
  std::string Fingerprint() const;

  Schedule& schedule_;
  const bool late_arrivals_;
  int faults_left_;
  bool hour_may_pass_;
  std::vector<std::unique_ptr<Program>> programs_;
  Program* current_ = nullptr;
};

}  // namespace berth::exploration
