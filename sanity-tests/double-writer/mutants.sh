#!/usr/bin/env bash
# ./dev chaos mutants [NAME...]: whether the faults in mutants/ are found. Each is put into a copy of the sources and
# built; then the claim protocol is explored, and where that finds nothing, one seed after the other is run until
# the checker does. The sources as they are must hold by both, which ./dev test and ./dev chaos show.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=sanity-tests/double-writer/runs.sh
source "$here/runs.sh"

MOST_SEEDS=${BERTH_MUTANT_SEEDS:-200}
SECONDS_PER_SEED=20
COPY=$BERTH_ROOT/build/mutants

# The copy keeps its build between runs. A file that a patch touches gets a new time, so that it is compiled again.
copy_sources() {
  mkdir -p "$COPY"
  git ls-files -z --cached --others --exclude-standard | tar --null --files-from - --create |
    tar --extract --directory "$COPY"
  sed -n 's|^+++ b/||p' "$here"/mutants/*.patch | sort -u | (cd "$COPY" && xargs touch)
}

build_mutant() {
  copy_sources
  patch --quiet --strip 1 --directory "$COPY" <"$1"
  (cd "$COPY" && ./dev build dev "${PROGRAMS[@]}" claim_protocol_test) >"$COPY/build.log" 2>&1 || {
    tail -20 "$COPY/build.log" >&2
    die "the mutant $1 does not build"
  }
}

# A mutant may fence more than it should: what an earlier run fenced must not decide the next one.
forget_fences() {
  in_lab rados -p rbd rm berth.fences 2>/dev/null || true
  in_lab ceph osd blocklist clear 2>/dev/null
}

# The short ones, which take seconds.
exploration_finds() {
  local tests='ClaimProtocol.TwoLeaders:ClaimProtocol.Opposed:ClaimProtocol.FencedByHand'
  ! "$COPY/build/dev/tests/claim_protocol_test" --gtest_filter="$tests" >"$COPY/$1.log" 2>&1
}

# find_mutant NAME: prints what found it, or fails.
find_mutant() {
  local seed status
  build_mutant "$here/mutants/$1.patch"
  if exploration_finds "$1"; then
    printf 'found %-24s by exploration: %s\n' "$1" "$(sed -n '/^Expected: true/{n;p;q}' "$COPY/$1.log")"
    return 0
  fi
  for ((seed = 1; seed <= MOST_SEEDS; seed++)); do
    status=0
    forget_fences
    one_run $seed $SECONDS_PER_SEED "$COPY/build/dev/bin" >"$COPY/$1.log" || status=$?
    case $status in
      1)
        printf 'found %-24s by seed %3d: %s\n' "$1" $seed "$(sed -n '/violations:$/{n;s/^ *//;p;q}' "$COPY/$1.log")"
        return 0
        ;;
      2) say "mutant $1, seed $seed: $(tail -1 "$COPY/$1.log")" ;;
    esac
  done
  printf 'NOT FOUND %s by %d seeds\n' "$1" "$MOST_SEEDS"
  return 1
}

cd "$BERTH_ROOT"
[ $# -gt 0 ] || mapfile -t -O 0 names < <(cd "$here/mutants" && basename -s .patch -- *.patch)
[ $# = 0 ] || names=("$@")
./dev build dev double-writer
trap './dev lab down' EXIT
lab_for_chaos
found=0
missed=0
for name in "${names[@]}"; do
  if find_mutant "$name"; then found=$((found + 1)); else missed=$((missed + 1)); fi
done
echo "mutants: $found passed, $missed failed"
[ $missed = 0 ]
