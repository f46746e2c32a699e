# What ./dev chaos and its mutants share: a lab of their own with three OSDs, and one run by one seed. Sourced by them.
# shellcheck shell=bash disable=SC2034 # used by the scripts that source this one

double_writer_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export BERTH_LAB_DIR=${BERTH_CHAOS_LAB_DIR:-$double_writer_dir/../../.lab-chaos} BERTH_LAB_OSDS=3
for part in dev/environment lab/state lab/process lab/network; do
  # shellcheck source=/dev/null
  source "$double_writer_dir/../../deploy/$part.sh"
done
TOOL=$BERTH_BUILD/bin/double-writer
PROGRAMS=(berth-controller berth-data berth-node) # under test

lab_for_chaos() {
  ./dev lab up ceph
  local node
  for node in "${LAB_NODES[@]}"; do
    [ -e "/run/netns/$(node_netns "$node")" ] || node_network_up "$node"
  done
  CEPH_CONF=$LAB/ceph/ceph.conf
  export CEPH_CONF
  # The lab's monitor decides sooner than others do; here it takes Ceph's own time, which leaves room for races.
  in_lab ceph tell mon.a config set paxos_propose_interval 1
  in_lab ceph tell mon.a config set paxos_min_wait 0.05
  # A watch that ends early and an OSD that is soon taken for dead make more happen in a minute. Nothing that the
  # volumes' safety rests on is changed.
  in_lab ceph config set osd osd_client_watch_timeout 4
  in_lab ceph config set global osd_heartbeat_interval 1
  in_lab ceph config set global osd_heartbeat_grace 5
}

# one_run SEED SECONDS BIN: 0 it held, 1 a violation, 2 it shows nothing.
one_run() {
  local work networks=() node osds
  work=$(mktemp -d /run/berth-chaos.XXXXXX)
  for node in "${LAB_NODES[@]}"; do networks+=("$(node_netns "$node")" "n$node"); done
  mapfile -t osds < <(cd "$LAB/pid" && cut -d' ' -f1 ceph-osd*)
  local status=0
  in_lab env "PATH=$PATH" "$TOOL" run --work "$work" --bin "$3" --clusters "$LAB/clusters" \
    --seed "$1" --seconds "$2" --network "${networks[@]}" --osds "${osds[@]}" \
    --monitors "$(process_id ceph-mon)" || status=$?
  [ $status != 0 ] || rm -rf "$work"
  return $status
}
