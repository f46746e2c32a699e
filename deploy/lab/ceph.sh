# A Ceph cluster of one monitor, one manager and LAB_OSDS OSDs (bluestore on sparse files), made anew each time.
# shellcheck shell=bash

CEPH_DIR=$LAB/ceph
CEPH_MON_ADDRESS="[v2:$LAB_ADDRESS:3300/0,v1:$LAB_ADDRESS:6789/0]"

ceph_up() {
  local fsid
  set_part_state ceph starting
  fsid=$(</proc/sys/kernel/random/uuid)
  mkdir -p "$CEPH_DIR"/{mon,mgr,crash} "$LAB_RUN/ceph" "$LAB/log"
  write_ceph_conf "$fsid"
  write_ceph_keyrings
  write_cluster_directory "$fsid"

  monmaptool --create --clobber --fsid "$fsid" --addv a "${CEPH_MON_ADDRESS//\/0/}" \
    --set-min-mon-release 16 "$CEPH_DIR/monmap" >/dev/null
  in_lab ceph-mon --mkfs -i a --monmap "$CEPH_DIR/monmap" --keyring "$CEPH_DIR/keyring.mkfs" \
    -c "$CEPH_DIR/ceph.conf"
  start_ceph_daemon ceph-mon
  start_ceph_daemon ceph-mgr

  osds_up
  in_lab /usr/bin/python3 "$BERTH_ROOT/deploy/lab/ceph_cluster.py" make-pool "$CEPH_DIR/ceph.conf" rbd "$LAB_OSDS"
  set_part_state ceph ready
  say "Ceph is ready: pool rbd"
}

# start_ceph_daemon ceph-mon|ceph-mgr|ceph-osd|ceph-osd<N>
start_ceph_daemon() {
  local id
  case $1 in
    ceph-mon) id=a ;;
    ceph-mgr) id=x ;;
    ceph-osd) id=0 ;;
    *) id=${1#ceph-osd} ;;
  esac
  start_process "$1" nsenter --net="$LAB_NETNS" -- "${1%%[0-9]*}" -i "$id" -c "$CEPH_DIR/ceph.conf" -f
}

# The OSDs' stores need no monitor and are made while that one starts. The monitor numbers OSDs in the order in which
# it is told of them.
osds_up() {
  local osd uuids=() stores=()
  for osd in $(osd_numbers); do
    uuids+=("$(</proc/sys/kernel/random/uuid)")
    make_osd_store "$osd" "${uuids[osd]}" &
    stores+=($!)
  done
  in_lab /usr/bin/python3 "$BERTH_ROOT/deploy/lab/ceph_cluster.py" register-osds "$CEPH_DIR/ceph.conf" "${uuids[@]}"
  for osd in $(osd_numbers); do
    wait "${stores[osd]}" || { tail -5 "$LAB/log/ceph-osd-mkfs.$osd.log" >&2; return 1; }
    start_ceph_daemon "$(osd_process "$osd")"
  done
}

osd_numbers() { seq 0 $((LAB_OSDS - 1)); }
osd_process() { echo "ceph-osd${1/#0/}"; }
osd_processes() { local osd; for osd in $(osd_numbers); do osd_process "$osd"; done; }

# make_osd_store NUMBER UUID
make_osd_store() {
  mkdir -p "$CEPH_DIR/osd.$1"
  truncate -s 20G "$CEPH_DIR/osd.$1/block"
  cp "$CEPH_DIR/keyring.osd.$1" "$CEPH_DIR/osd.$1/keyring"
  in_lab ceph-osd -i "$1" -c "$CEPH_DIR/ceph.conf" --mkfs --osd-uuid "$2" --no-mon-config \
    >"$LAB/log/ceph-osd-mkfs.$1.log" 2>&1
}

# Throw-away daemons: nothing of theirs is kept, so they need no time to end well. A lab may have been started with
# more OSDs than now.
ceph_down() {
  local names
  mapfile -t names < <(process_names | grep '^ceph-osd')
  stop_processes KILL "${names[@]}" ceph-mgr ceph-mon
  rm -rf "$CEPH_DIR" "$LAB/clusters" "$LAB/state/ceph"
}

ceph_is_running() {
  local name
  for name in ceph-mon ceph-mgr $(osd_processes); do is_running "$name" || return 1; done
}

# What the driver is given: where the cluster is and who the driver is there, nothing else.
write_cluster_directory() {
  local dir=$LAB/clusters/lab
  mkdir -p "$dir"
  printf '[global]\nfsid = %s\nmon host = %s\n' "$1" "$CEPH_MON_ADDRESS" >"$dir/ceph.conf"
  install -m 600 "$CEPH_DIR/keyring.client.berth" "$dir/keyring"
}

# The monitor imports all users with their capabilities when its store is made: no `ceph auth` calls later.
write_ceph_keyrings() {
  local osd
  : >"$CEPH_DIR/keyring.mkfs"
  chmod 600 "$CEPH_DIR/keyring.mkfs"
  add_ceph_user mon. 'mon = "allow *"'
  add_ceph_user client.admin 'mon = "allow *"' 'mgr = "allow *"' 'osd = "allow *"' 'mds = "allow *"'
  for osd in $(osd_numbers); do
    add_ceph_user "osd.$osd" 'mon = "allow profile osd"' 'mgr = "allow profile osd"' 'osd = "allow *"'
  done
  add_ceph_user mgr.x 'mon = "allow profile mgr"' 'osd = "allow *"' 'mds = "allow *"'
  add_ceph_user client.berth 'mon = "profile rbd"' 'mgr = "profile rbd pool=rbd"' \
    'osd = "profile rbd pool=rbd"'
}

# add_ceph_user NAME CAPABILITY...
add_ceph_user() {
  local name=$1 key
  shift
  key=$(ceph-authtool --gen-print-key)
  (umask 077 && printf '[%s]\n\tkey = %s\n' "$name" "$key" >"$CEPH_DIR/keyring.$name")
  { cat "$CEPH_DIR/keyring.$name"; printf '\tcaps %s\n' "$@"; } >>"$CEPH_DIR/keyring.mkfs"
}

write_ceph_conf() {
  cat >"$CEPH_DIR/ceph.conf" <<E
[global]
fsid = $1
mon host = $CEPH_MON_ADDRESS
public addr = $LAB_ADDRESS
cluster addr = $LAB_ADDRESS
ms bind ipv6 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = $CEPH_DIR/keyring.\$name
run dir = $LAB_RUN/ceph
admin socket = $LAB_RUN/ceph/\$name.\$pid.asok
pid file =
log file = $LAB/log/\$name.log
log to stderr = false
crash dir = $CEPH_DIR/crash
# a copy on each OSD, and as Ceph does it, I/O goes on while most of them are there
osd pool default size = $LAB_OSDS
osd pool default min size = $((LAB_OSDS / 2 + 1))
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
# The store shares a disk with the rest of the machine, whose fill is not the lab's business.
mon data avail warn = 2
mon data avail crit = 1
osd failsafe full ratio = 0.995
mon osd full ratio = 0.99
mon osd backfillfull ratio = 0.985
mon osd nearfull ratio = 0.98

[mon]
mon data = $CEPH_DIR/mon
mon cluster log file = $LAB/log/ceph-cluster.log
mon election timeout = 1
mon lease = 2
mon tick interval = 2
# Ceph's default is 1 s. Snapshots, blocklist entries and pools wait for it, so it bounds what the lab
# measures of them: figures from the lab must name it.
paxos propose interval = 0.01
paxos min wait = 0.005
mon osd min down reporters = 1

[mgr]
mgr data = $CEPH_DIR/mgr
# Every module costs memory and start-up time; the lab uses none.
mgr initial modules =
mgr disabled modules = alerts cephadm cli_api dashboard diskprediction_local hello influx insights iostat k8sevents localpool mds_autoscaler mirroring nfs osd_perf_query osd_support prometheus restful rook selftest snap_schedule stats telegraf test_orchestrator zabbix
mgr tick period = 1
mgr stats period = 1

[osd]
osd data = $CEPH_DIR/osd.\$id
osd objectstore = bluestore
bluestore block size = $((20 << 30))
bluestore block db create = false
bluestore block wal create = false
bluestore cache autotune = false
bluestore cache size = 134217728
osd op num shards = 2
osd op num threads per shard = 2
osd mclock skip benchmark = true
osd class load list = *
osd class default list = *

[client]
admin socket =
log file =
rbd default features = 61
E
}
