#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/status.h"
#include "base/synchronized.h"
#include "io_process.pb.h"
#include "rbd/data/held_volume.h"
#include "rbd/data/io_channel.h"

namespace berth {

// Keeps one attached image served: starts its I/O process, and another one when that dies. The FUSE
// connection lives as long as a descriptor of it is open, and this side keeps them all, and the
// memory of what is in flight; so the successor goes on with it (fuse_server.h says how) and nobody
// sees an error.
//
//              opened          Serve           Close (the device is gone)
//   opening ──────────▶ opened ──────▶ serving ─────────────────────────▶ closing ──▶ gone
//      │                   │            │   ▲                               ▲          ▲
//      │                   └─ Close ────┼───┼───────────────────────────────┤          │
//      │                        process │   │ successor                     │          │
//      │                           died ▼   │ opened                        │          │
//      │                              recovering ── Close, then opened ─────┘          │
//      │                                   │ refused, or attempts spent                │
//      │                                   ▼                                           │
//      │                                 failed ─────────────── Close ────────────────▶│
//      └─ error, or process ended ─────────────────────────────────────────────────────┘
//
// In `recovering` I/O waits; in `failed` the connection is aborted and I/O fails. A process that
// reports an end of its own is not replaced. A crash is followed by a successor at once, then with
// growing pauses, at most kMaxAttempts times until one has served for a second; while Ceph cannot
// be reached there is no limit, because an outage waits and is no I/O error. The next version of
// the program is brought in the same way: Replace has the process close the image, and its
// successor recovers; one that does not in time is killed.
//
// One supervisor can give its work to another, in another process too, in every state. Thread-safe;
// works on a thread of its own.
class IoSupervisor {
 public:
  static constexpr int kMaxAttempts = 8;
  // A process that was told to yield and does not, because Ceph does not answer it, is killed.
  static constexpr absl::Duration kYieldTimeout = absl::Seconds(1);

  struct Options {
    // argv of an I/O process: this very program again with its hidden word.
    std::vector<std::string> command;
    // What a process is to open; asked anew for each, so that rotated keys and changed monitors
    // count.
    std::function<StatusOr<data::io::v1::Open>()> make_open;
    // What happened that no caller asked for, as a sentence, for the log.
    std::function<void(const std::string&)> on_event;
    // Somebody else is to keep copies of these descriptors from now on, in place of all earlier
    // ones. Called by the supervisor's thread, once there is a device, and before a new process can
    // do anything.
    std::function<void(const data::held::v1::Io&, const std::vector<int>&)> keep;
    // The file has another size. Called by the supervisor's thread: it must not touch the file or
    // its device, which may wait for a process that only this thread can start.
    std::function<void()> on_resized;
    // Ends the connection: its requests fail. The copies that others keep do not.
    std::function<void()> abort_connection;
  };

  // In the order of held_volume.proto.
  enum class State { kOpening, kOpened, kServing, kRecovering, kFailed, kClosing, kGone };
  struct View {
    State state = State::kOpening;
    Status status;         // kFailed: why. kGone: how it ended
    std::string instance;  // of the process that runs or ran last
    bool fenced = false;   // Ceph refuses it: I/O fails
    std::string stalled;   // I/O waits: for what. Empty: it does not
  };

  // Starts the first process. `fuse` are descriptors of /dev/fuse that become one connection before
  // Serve; `memory` is RequestMemory's file for it.
  IoSupervisor(Options options, std::vector<Fd> fuse, Fd memory);
  // Goes on with what another supervisor gave up.
  IoSupervisor(Options options, HeldIo held);
  // Leaves a process that runs to itself: it goes on serving, and ends with its connection.
  ~IoSupervisor();
  IoSupervisor(const IoSupervisor&) = delete;
  IoSupervisor& operator=(const IoSupervisor&) = delete;

  View view();
  // To be used between kOpened and Serve only.
  const std::vector<Fd>& fuse() const { return fuse_; }

  // OK in kOpened and after. The error of the opening when it failed; DEADLINE_EXCEEDED while it
  // still goes on.
  Status WaitUntilOpened(absl::Time deadline);

  // Lets the process answer the connection. Until ConfirmDevice, its death ends everything.
  void Serve();
  // From now on a process that dies is replaced, and Options::keep is called; it has been when this
  // returns, unless that takes longer than two seconds. UNAVAILABLE when the process died before.
  Status ConfirmDevice();
  // Calls Options::keep again.
  void Keep();

  // Ends it: before Serve by undoing the opening; after Serve the connection must have ended or be
  // about to.
  void Close();
  // Ends the process, if it serves, so that one of this program's version takes its place; returns
  // when that one serves, at the latest at `deadline`.
  void Replace(absl::Time deadline);

  // Stops supervising and returns what another supervisor needs to go on; process and connection do
  // not notice. Call once, while nobody calls anything else; this one is good for nothing then.
  HeldIo GiveUp();

  // How it ended: OK when the image is closed and recorded so, or when it was fenced or had failed,
  // so that the controller sees to it. DEADLINE_EXCEEDED while it has not.
  Status WaitUntilGone(absl::Time deadline);

 private:
  struct Shared : View {
    bool serve_asked = false;
    bool device_confirmed = false;
    bool close_asked = false;
    bool replace_asked = false;
    bool keep_asked = false;
    bool abandoned = false;
  };

  void TakeOver(HeldIo held);
  data::held::v1::Io Describe();
  void KeepDescriptors();
  void Run();
  void WaitForWork();
  absl::Time NextTimer() const;
  void StartProcess();
  Status Spawn();
  void ReadReport();
  void OnReport(const data::io::v1::Report& report);
  void OnOpened();
  void OnStalled(uint32_t seconds);
  void OnProcessEnd(int exit_code);
  void Recover(const Status& why);
  void EndForReplacement();
  void FollowRequests();
  void SendServe();
  void SendClose();
  void Send(const data::io::v1::Command& command);
  void Fail(const Status& why);
  void BecomeGone(const Status& outcome);
  void Enter(State state);
  void Wake();

  const Options options_;
  Synchronized<Shared> shared_;
  Fd wake_;  // eventfd

  // Used by the thread alone from here on.
  std::vector<Fd> fuse_;
  Fd memory_;
  std::optional<ChildProcess> process_;
  std::optional<IoChannel> channel_;
  std::string instance_;         // of process_, once it has told
  std::optional<Status> ended_;  // what process_ reported as its end
  bool unserved_ = false;        // and that it came before it served
  std::vector<std::string> dead_instances_;
  std::vector<std::string> closed_instances_;  // of processes that made room
  bool replacing_ = false;                     // process_ was told to yield
  int attempts_ = 0;
  absl::Time served_since_ = absl::InfiniteFuture();
  absl::Time retry_at_ = absl::InfiniteFuture();
  absl::Time kill_at_ = absl::InfiniteFuture();

  std::thread thread_;
};

}  // namespace berth
