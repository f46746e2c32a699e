# Sourced by every script of the project: where things are, and how progress is shown.
# shellcheck shell=bash disable=SC2034 # used by the scripts that source this one

BERTH_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BERTH_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/berth # what only the first run should have to make
BERTH_PRESET=${BERTH_PRESET:-dev} # what ./dev test builds and runs; asan and tsan have suites unit and real
BERTH_BUILD=$BERTH_ROOT/build/$BERTH_PRESET
export CCACHE_DIR=$BERTH_CACHE/ccache
mkdir -p "$BERTH_CACHE"

# Seconds since the start of the shell, to one tenth.
elapsed_s() {
  local now=${EPOCHREALTIME/[.,]/}
  printf '%d.%d' $(((now - BERTH_STARTED_US) / 1000000)) $(((now - BERTH_STARTED_US) / 100000 % 10))
}
BERTH_STARTED_US=${EPOCHREALTIME/[.,]/}

say() { printf '%7ss  %s\n' "$(elapsed_s)" "$*" >&2; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

require_root() {
  [ "$(id -u)" = 0 ] || die "$1 needs root: it makes namespaces, mounts and loop devices"
}

# await_socket SOCKET: until a program serves on it, which takes milliseconds; fails after ten seconds.
await_socket() {
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    [ -S "$1" ] && return 0
    read -rt 0.1 <> <(:) || true
  done
  return 1
}
