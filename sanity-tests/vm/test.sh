#!/usr/bin/env bash
# What needs a kernel of its own: the kernel's rbd, fences on real mounts, reboots, writeback while memory is short.
# Each check boots a virtual machine (vm.sh) against the lab's Ceph. Run it by ./dev test vm, which brings Ceph up.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$here/../../deploy/dev/environment.sh"
# shellcheck source=deploy/dev/packages.sh
source "$here/../../deploy/dev/packages.sh"
# shellcheck source=sanity-tests/vm/vm.sh
source "$here/vm.sh"
SUITE=vm
# shellcheck source=sanity-tests/checks.sh
source "$here/../checks.sh"
cd "$BERTH_ROOT"
: "${BERTH_CLUSTERS:?is not set: run this by ./dev test vm}"
require_root "a virtual machine"
ensure_vm
tests=$BERTH_BUILD/tests
state=$work/state
mkdir "$state"
printf '%s=%q\n' BERTH_CLUSTERS "$BERTH_CLUSTERS" BERTH_VM_STATE /state/node >"$state/environment"

# in_vm PROGRAM FILTER: the tests that match run in a machine of their own; none is skipped, no program of ours runs
# degraded; what they measured is shown.
in_vm() {
  local status=0
  vm_run "$state" "$tests/$1" --gtest_filter="$2" || status=$?
  grep -E '^(auto|fuse|krbd): ' "$state/console.log" >&3 || true
  if grep -E 'Skipped|Running 0 tests|degraded:' "$state/console.log"; then status=1; fi
  return $status
}

exec 3>&1
check "krbd keeps the attachers' contract, and its own" in_vm krbd_test '*'
check "the attacher through FUSE keeps it on this older kernel" in_vm fuse_contract_test '*'
check "staged, grown, fenced with errors, healed: by krbd, which auto takes there, and by FUSE" in_vm vm_node_test '*Flow*'
check "a volume is in use when the machine goes down" in_vm vm_node_test '*FirstBoot*'
check "after the reboot nothing is believed to be there" in_vm vm_node_test '*SecondBoot*'
check "after another one a stage goes through at once" in_vm vm_node_test '*ThirdBoot*'
VM_MEMORY_MIB=384
check "three times the memory is written back without a task that hangs" in_vm vm_node_test '*Pressure*'
all_held
