#!/usr/bin/env bash
# ./dev test: everything that is checked, in a lab of its own. The last line is the sum over all suites. A word
# chooses one suite: format, unit, claims (every order of the writer claim's steps), real (tests that need a real
# Ceph or a real API server), dns (answers beside CoreDNS's), sanity, crash_points (programs killed at
# each call of Ceph, mount and file), chaos, e2e, lab, conformance, vm, claims_at_length,
# crash_points_at_length, operations (install, upgrade, drain, uninstall).
set -euo pipefail
dev_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in environment packages go; do
  # shellcheck source=/dev/null
  source "$dev_dir/$part.sh"
done
cd "$BERTH_ROOT"

# Not the developer's lab: that one may hold work.
export BERTH_LAB_DIR=${BERTH_LAB_DIR:-$BERTH_ROOT/.lab-test}
REAL_LABELS='^(ceph|kube)$'
DNS_LABEL='^dns$'
EXPLORATION_LABEL='^exploration$'
EXPLORATION_AT_LENGTH_LABEL='^exploration_at_length$'
VM_LABEL='^vm$' # programs that sanity-tests/vm runs in a machine of their own
log_dir=$BERTH_BUILD/test-logs
passed=0
failed=0
summary=()

main() {
  local suites=("$@")
  [ ${#suites[@]} -gt 0 ] || suites=(format unit claims real dns sanity chaos e2e lab)
  mkdir -p "$log_dir"
  suite build ./dev build
  # A lab that was up before is somebody's: it stays.
  if ! ./dev lab status | grep 'ceph ready' >/dev/null; then trap bring_lab_down EXIT; fi
  trap 'exit 130' INT TERM HUP
  local name
  for name in "${suites[@]}"; do "suite_$name"; done
}

suite_format() { suite format deploy/dev/format.sh --check; }
suite_unit() {
  suite unit ctest --test-dir "$BERTH_BUILD" --output-on-failure -j2 --label-exclude "$REAL_LABELS|$DNS_LABEL|$VM_LABEL|$EXPLORATION_LABEL|$EXPLORATION_AT_LENGTH_LABEL"
}
suite_claims() {
  suite claims ctest --test-dir "$BERTH_BUILD" --output-on-failure -j2 --label-regex "$EXPLORATION_LABEL"
}
# Not among all: a quarter of an hour.
suite_claims_at_length() {
  suite claims_at_length ctest --test-dir "$BERTH_BUILD" --output-on-failure --label-regex "$EXPLORATION_AT_LENGTH_LABEL"
}
suite_real() {
  unpack_packages lab-unpacked
  ensure_kubernetes
  ./dev lab up ceph
  suite real ./dev lab run env "BERTH_KUBE_BIN=$KUBERNETES_BIN" "BERTH_ETCD=$UNPACKED_ROOT/usr/bin/etcd" \
    ctest --test-dir "$BERTH_BUILD" --output-on-failure --label-regex "$REAL_LABELS"
}
suite_dns() {
  unpack_packages lab-unpacked
  ensure_kubernetes
  ensure_coredns
  suite dns env "BERTH_KUBE_BIN=$KUBERNETES_BIN" "BERTH_ETCD=$UNPACKED_ROOT/usr/bin/etcd" \
    "BERTH_COREDNS=$COREDNS_BIN/coredns" \
    ctest --test-dir "$BERTH_BUILD" --output-on-failure --label-regex "$DNS_LABEL"
}
suite_sanity() { suite sanity ./dev sanity; }
# Not among all while it still finds something. Every 17th crash point, others each day; all by crash_points_at_length.
# An odd number, because crashes before and after a call take turns.
suite_crash_points() { run_crash_points crash_points --part 17 --first "$(($(date +%s) / 86400))"; }
# Not among all: a quarter of an hour.
suite_crash_points_at_length() { run_crash_points crash_points_at_length; }
run_crash_points() {
  local name=$1
  shift
  ./dev lab up ceph
  suite "$name" ./dev lab run sanity-tests/crash-points/run.sh "$BERTH_BUILD/bin" "$@"
}
suite_chaos() { suite chaos ./dev chaos --seconds 60; }
suite_e2e() {
  ./dev lab up all
  suite e2e ./dev lab run sanity-tests/e2e/test.sh
}
# The last part of e2e.
suite_operations() {
  ./dev lab up all
  suite operations ./dev lab run sanity-tests/e2e/test.sh operations
}
suite_lab() { suite lab sanity-tests/lab/interrupted_demo.sh; }
# Not among all: it takes 10 minutes, and 15 more the first time.
suite_conformance() { suite conformance env BERTH_LAB_DIR= ./dev conformance statefulset; }

# Not among all: it takes minutes, because QEMU emulates the processor.
suite_vm() {
  # shellcheck source=sanity-tests/vm/vm.sh
  source sanity-tests/vm/vm.sh
  ensure_vm # here, because the lab's network does not reach Debian's mirror
  ./dev lab up ceph
  suite vm ./dev lab run sanity-tests/vm/test.sh
}

# suite NAME COMMAND...: shows what it prints and adds its result to the sum. A suite without counts of its own
# counts as one.
suite() {
  local name=$1 status=0 counts ok=1 bad=0
  shift
  say "suite $name"
  "$@" 2>&1 | tee "$log_dir/$name.log" || status=$?
  counts=$(suite_counts "$log_dir/$name.log")
  if [ -n "$counts" ]; then
    read -r ok bad <<<"$counts"
  fi
  if [ $status != 0 ] && [ "$bad" = 0 ]; then
    bad=1
    [ -n "$counts" ] || ok=0
  fi
  passed=$((passed + ok))
  failed=$((failed + bad))
  summary+=("$(printf '%-8s %5d passed, %3d failed' "$name" "$ok" "$bad")")
}

# suite_counts LOG: "PASSED FAILED", the sum of what ctest, Ginkgo or our own suites print at their ends.
suite_counts() {
  awk '/tests passed, [0-9]+ tests? failed out of [0-9]+/ { bad += $4; ok += $NF - $4; found = 1 }
       /[0-9]+ Passed.*[0-9]+ Failed/ {
         gsub(/[^0-9A-Za-z ]/, " ")
         for (i = 2; i <= NF; i++) { if ($i == "Passed") ok += $(i - 1); if ($i == "Failed") bad += $(i - 1) }
         found = 1 }
       /^[a-z0-9-]+: [0-9]+ passed, [0-9]+ failed$/ { ok += $2; bad += $4; found = 1 }
       END { if (found) print ok + 0, bad + 0 }' "$1"
}

bring_lab_down() {
  trap '' INT TERM HUP
  ./dev lab down
}

main "$@"
if [ -n "$(trap -p EXIT)" ]; then
  trap - EXIT
  bring_lab_down
fi
printf '%s\n' "${summary[@]}"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
