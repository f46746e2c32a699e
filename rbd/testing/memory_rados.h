#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"

namespace berth {

// A Ceph in memory, as far as the claim protocol stands on one: omaps with compare-and-set, one RBD
// image with its exclusive lock, the blocklist, and what Ceph does not promise: an operation whose
// client gave up or died may still take effect later, and an OSD hears of a fence late. It passes
// the contract tests of the real one. For one thread at a time.
class MemoryRados {
 public:
  // The daemons that serve operations. The registry and the image's header lie on one OSD, the
  // image's data on another, which may know less of the map.
  enum class Daemon { kMonitor, kRegistryOsd, kDataOsd };

  // What becomes of an operation that a client sends.
  enum class Fate {
    kServed,
    kTimesOut,    // the client gets DEADLINE_EXCEEDED; the operation arrives later, or never
    kDies,        // so does the operation, and ProcessDied is thrown in the client's process
    kDiesBefore,  // ProcessDied is thrown; nothing was sent
  };
  // Thrown out of the call during which the client's process was killed.
  struct ProcessDied {};

  struct Client {
    std::string address;
    uint64_t map_epoch = 0;  // of the newest OSD map that it knows
  };

  // Everything that is left to chance. The real world decides by itself; here the test does.
  class Chance {
   public:
    virtual ~Chance() = default;
    virtual Fate Sent(const Client& /*client*/, Daemon /*daemon*/,
                      const std::string& /*operation*/) {
      return Fate::kServed;
    }
    // The client has got `answer`, which tells all that it has learnt.
    virtual void Answered(const std::string& /*client*/, const std::string& /*answer*/) {}
    virtual bool Happens(const std::string& /*what*/) { return false; }
    // Returns when `condition` holds.
    virtual void Wait(const std::string& /*client*/, const std::string& /*for_what*/,
                      const std::function<bool()>& /*condition*/) {}
  };

  // `chance` must outlive this. `may_lift`: whether clients have the caps to take entries out of
  // the blocklist, which RBD's own profile does not give.
  MemoryRados(Chance& chance, bool may_lift) : chance_(chance), may_lift_(may_lift) {}

  // For a test of the test: the protocol over a Ceph that breaks a promise.
  struct Faults {
    bool ignores_fences = false;
    bool answers_with_an_old_map = false;
    bool sets_without_comparing = false;
  };
  Faults faults;

  // Operations of clients. Values come back through the return value only.
  using Effect = std::function<Status()>;
  Status Change(Client& client, Daemon daemon, const std::string& operation, Effect effect);
  // The client goes on at once; it is served some time later.
  void Submit(Client& client, Daemon daemon, const std::string& operation, Effect effect);
  Status Read(Client& client, Daemon daemon, const std::string& operation,
              const std::function<std::string()>& look);

  // The blocklist, in the monitor. AddToBlocklist also waits for the map that has the entry, and
  // answers for how long the entry lasts: one that is there keeps its time.
  StatusOr<std::chrono::seconds> AddToBlocklist(Client& client, const std::string& address,
                                                std::chrono::seconds duration);
  Status RemoveFromBlocklist(Client& client, const std::string& address);
  Status WaitForLatestMap(Client& client);
  bool IsBlocklisted(const std::string& address) const { return blocklist_.contains(address); }
  // Whether nothing but the end of its entry can make `daemon` serve it again.
  bool IsRefusedForGood(const Client& client, Daemon daemon) const;
  // Whether an OSD has answered it that it is blocklisted.
  bool WasRefused(const std::string& address) const { return refused_.contains(address); }
  // What librbd and the monitors do inside of other operations.
  void AddEntry(const std::string& address, std::chrono::seconds duration);
  std::map<std::string, int64_t> Blocklist() const;
  // The time of every entry of less than `duration` is over.
  bool HasFencesShorterThan(std::chrono::seconds duration) const;
  void EndFencesShorterThan(std::chrono::seconds duration);

  // Operations under way whose clients do not wait for them any more, or do not wait at all.
  struct InFlight {
    Client client;
    Daemon daemon;
    std::string operation;
    Effect effect;
  };
  const std::list<InFlight>& in_flight() const { return in_flight_; }
  bool HasInFlight(const std::string& address) const;
  // Delivers one of them.
  void Deliver(std::list<InFlight>::const_iterator message);

  Chance& chance() { return chance_; }
  bool may_lift() const { return may_lift_; }

  // All that decides what can happen from here on.
  std::string Fingerprint() const;

  // The state that the clients' effects work on.
  std::map<std::string, std::map<std::string, std::string>> omaps;  // object → key → value
  struct Image {
    std::string name;      // empty: there is none
    bool has_lock = true;  // the feature; constant
    std::string lock_owner;
    std::set<std::string> watchers;
  };
  Image image;

 private:
  struct Entry {
    uint64_t map_epoch = 0;  // of the first map that has it
    std::chrono::seconds duration{};
  };
  Status Serve(const Client& client, Daemon daemon, const Effect& effect);
  bool Refuses(const Client& client, Daemon daemon);

  Chance& chance_;
  const bool may_lift_;
  uint64_t map_epoch_ = 1;
  std::map<Daemon, uint64_t> known_epoch_;  // per OSD
  std::map<std::string, Entry> blocklist_;
  std::set<std::string> refused_;
  std::list<InFlight> in_flight_;
};

}  // namespace berth
