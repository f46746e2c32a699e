# The lab's long-running programs. Each is known by process id and start time, so that a process that later
# gets the same id is never taken for it.
# shellcheck shell=bash

start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# start_process NAME COMMAND...: in a session of its own, output in log/NAME.log. The child writes its own
# record, so an interruption in between cannot leave an unknown process.
start_process() {
  local name=$1
  shift
  mkdir -p "$LAB/pid" "$LAB/log"
  (
    pid=$BASHPID
    echo "$pid $(start_time "$pid")" >"$LAB/pid/$name"
    exec setsid "$@"
  ) >"$LAB/log/$name.log" 2>&1 </dev/null 9>&- &
}

process_id() { cut -d' ' -f1 "$LAB/pid/$1" 2>/dev/null; }

process_names() { (cd "$LAB/pid" 2>/dev/null && ls); }

# A killed process may stay a zombie for a while, and `kill -0` still finds it: its state tells.
is_running() {
  local pid started state
  read -r pid started 2>/dev/null <"$LAB/pid/$1" || return 1
  is_alive "$pid" && [ "$(start_time "$pid")" = "$started" ]
}

is_alive() {
  local state
  state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null)
  [ -n "$state" ] && [ "$state" != Z ]
}

# stop_processes SIGNAL NAME...: signals all, waits up to five seconds for all, kills the rest.
stop_processes() {
  local signal=$1 name pids=()
  shift
  for name in "$@"; do
    is_running "$name" && pids+=("$(process_id "$name")")
    rm -f "$LAB/pid/$name"
  done
  end_pids "$signal" "${pids[@]}"
}

# end_pids SIGNAL PID...
end_pids() {
  local signal=$1 pid deadline=$((SECONDS + 5))
  shift
  [ $# -gt 0 ] || return 0
  kill -s "$signal" "$@" 2>/dev/null || true
  for pid in "$@"; do
    while is_alive "$pid" && [ $SECONDS -lt $deadline ]; do sleep 0.05; done
    is_alive "$pid" && kill -s KILL "$pid" 2>/dev/null
  done
  return 0
}

# end_processes_in NETNS: what was started in a network namespace of the lab by other means (tests, shells).
end_processes_in() {
  local pids
  [ -e "/run/netns/$1" ] || return 0
  mapfile -t pids < <(ip netns pids "$1" 2>/dev/null)
  end_pids TERM "${pids[@]}"
}
