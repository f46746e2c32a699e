#!/usr/bin/env bash
# `./dev lab down` leaves no process, mount, loop device, network namespace or cgroup behind, also after a demo that
# was interrupted while the lab came up, or killed while pods wrote. In a lab of its own; ./dev test runs it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$here/../../deploy/dev/environment.sh"
require_root "the lab"

lab=$BERTH_ROOT/.lab-interrupted
work=$(mktemp -d)
passed=0
demo=

main() {
  trap clean_up EXIT
  trap 'exit 130' INT TERM HUP
  # By name only: the words must not stand on the command line or in the environment of this test itself.
  printf '%s\nberth-lab-%s\n' "$lab" "$(sha256sum <<<"$lab" | cut -c1-8)" >"$work/names"
  loop_devices >"$work/loops"

  printf -- '--- interrupted while Kubernetes comes up\n'
  start_demo_until "starting Kubernetes"
  end_demo INT
  check_demo_says "Interrupted. ./dev demo begins anew"
  check_nothing_is_left

  printf -- '--- killed while web-0 writes to its volume\n'
  start_demo_until "== berth-node is deleted while web-0 writes"
  end_demo KILL
  check_nothing_is_left
  printf 'lab: %d passed, 0 failed\n' $passed
}

# start_demo_until TEXT: the demo, as a person starts it (a group of its own that an interrupt reaches), until it
# has printed TEXT.
start_demo_until() {
  env --default-signal=INT "BERTH_LAB_DIR=$lab" setsid "$BERTH_ROOT/dev" demo >"$work/demo.log" 2>&1 &
  demo=$!
  until grep -qF "$1" "$work/demo.log"; do
    [ -e "/proc/$demo" ] || failed "the demo ended before it printed: $1"
    sleep 0.1
  done
}

# end_demo SIGNAL: to the whole group, as a terminal sends it.
end_demo() {
  local status=0
  kill -s "$1" -- "-$demo"
  wait "$demo" 2>/dev/null || status=$?
  demo=
  [ $status != 0 ] || failed "the demo that got SIG$1 ended with 0"
  ok "the demo ends with $status"
}

check_demo_says() {
  grep -qF "$1" "$work/demo.log" || failed "the demo did not say: $1"
  ok "and says what to do next"
}

check_nothing_is_left() {
  BERTH_LAB_DIR=$lab "$BERTH_ROOT/dev" lab down >"$work/down.log" 2>&1 ||
    { cat "$work/down.log"; failed "./dev lab down"; }
  expect_empty "no process is left" processes
  expect_empty "no mount is left" mounts
  expect_empty "no loop device is left" new_loop_devices
  expect_empty "no network namespace is left" network_namespaces
  expect_empty "no cgroup is left" cgroups
}

# Every program of the lab has its directory or its name among these; what runs in its pods is in its cgroups.
processes() {
  (cd /proc && grep -lsF -f "$work/names" [0-9]*/cmdline [0-9]*/environ [0-9]*/cgroup) |
    cut -d/ -f1 | sort -u | while read -r pid; do
    ps -o pid=,stat=,args= -p "$pid" || true # it may have ended meanwhile
  done
}
mounts() { cat /proc/[0-9]*/mountinfo 2>/dev/null | grep -F -f "$work/names" | sort -u; }
loop_devices() { losetup --list --noheadings --output NAME,BACK-FILE | sort; }
new_loop_devices() { loop_devices | comm -13 "$work/loops" -; }
network_namespaces() { find /run/netns -maxdepth 1 2>/dev/null | grep -F -f "$work/names"; }
cgroups() { find /sys/fs/cgroup -type d | grep -F -f "$work/names"; }

expect_empty() {
  local what=$1 found
  found=$("$2" || true)
  [ -z "$found" ] || { printf '%s\n' "$found"; failed "$what"; }
  ok "$what"
}

ok() {
  passed=$((passed + 1))
  printf 'ok %s\n' "$1"
}

failed() {
  printf 'FAILED %s\n' "$1"
  tail -n 80 "$work/demo.log"
  printf 'lab: %d passed, 1 failed\n' $passed
  exit 1
}

clean_up() {
  trap '' INT TERM HUP
  [ -z "$demo" ] || kill -s TERM -- "-$demo" 2>/dev/null || true
  BERTH_LAB_DIR=$lab "$BERTH_ROOT/dev" lab down >/dev/null 2>&1 || true
  rm -rf "$work" "$lab"
}

main
