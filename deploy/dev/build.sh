#!/usr/bin/env bash
# build.sh [PRESET [TARGET...]]: configures and builds Berth; without words, everything of the preset $BERTH_PRESET (dev).
set -euo pipefail
dev_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in environment packages go; do
  # shellcheck source=/dev/null
  source "$dev_dir/$part.sh"
done

preset=${1:-$BERTH_PRESET}
shift || true
ensure_packages build
ensure_go
cd "$BERTH_ROOT"
if [ ! -f "build/$preset/build.ninja" ]; then
  say "configuring build/$preset"
  cmake --preset "$preset" >"$BERTH_CACHE/configure.log" 2>&1 ||
    { tail -30 "$BERTH_CACHE/configure.log" >&2; die "cmake failed, the whole log is $BERTH_CACHE/configure.log"; }
fi
say "building build/$preset, minutes the first time, seconds afterwards"
cmake --build --preset "$preset" ${1:+--target "$@"}
