#!/usr/bin/env bash
# The lab: a real Ceph and a real Kubernetes of two nodes on this machine. See `./dev lab help`.
set -euo pipefail
lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in ../dev/environment ../dev/packages ../dev/go state process network ceph \
  certificates control_plane registry loops nodes images; do
  # shellcheck source=/dev/null
  source "$lab_dir/$part.sh"
done

lab_help() {
  cat <<E
./dev lab up [ceph|all]      starts Ceph alone, or Ceph and two Kubernetes nodes (default: all)
./dev lab down               stops everything of the lab and removes it
./dev lab status             says what runs
./dev lab env                prints exports for: eval "\$(./dev lab env)"
./dev lab run COMMAND...     runs a command in the lab's network, with that environment
./dev lab node N COMMAND...  runs a command inside node n<N>
./dev lab import FILE        loads an image (OCI archive) into the nodes
./dev lab api-server VERB    stop: kills the API server; start: starts it again, with all that it knew
./dev lab ceph-daemon NAME VERB
                             stop: kills ceph-mon, ceph-mgr or ceph-osd; start: starts it again
./dev lab controllers [LIST] restarts the controller manager with these controllers, such as
                             '*,-statefulset-controller' (default: '*')

Its state is in $LAB (BERTH_LAB_DIR chooses another directory: a second lab beside the first).
BERTH_LAB_FEATURE_GATES=NAME=true,... at \`lab up\` sets Kubernetes' feature gates.
BERTH_LAB_OSDS=3 at \`lab up\` starts so many OSDs (default: 1), with a copy of everything on each.
E
}

lab_up() {
  local wanted=${1:-all}
  [ "$wanted" = ceph ] || [ "$wanted" = all ] || die "lab up $wanted: expected ceph or all"
  require_root "the lab"
  ensure_packages lab
  if [ "$wanted" = all ]; then
    unpack_packages lab-unpacked
    ensure_kubernetes
  fi
  lab_lock
  remove_remains
  start_parts "$wanted"
  write_wrappers
  say "the lab is up; next: eval \"\$(./dev lab env)\""
}

# What is neither absent nor wholly running was interrupted or has died; such a part starts afresh.
# Without Ceph nothing of the rest is worth keeping.
remove_remains() {
  if ! part_is_sound ceph ceph_is_running; then
    say "removing what is left of an earlier lab"
    stop_everything
  elif ! part_is_sound kubernetes kubernetes_is_running; then
    say "removing what is left of an earlier Kubernetes"
    kubernetes_down
  fi
}

# part_is_sound PART CHECK: it is absent, or ready and all of it runs.
part_is_sound() {
  case $(part_state "$1") in
    absent) return 0 ;;
    ready) "$2" ;;
    *) return 1 ;;
  esac
}

# start_parts WANTED: Ceph and Kubernetes start side by side; if either fails, or the user interrupts,
# all of it goes again.
start_parts() {
  local jobs=() job failed=0
  trap 'abandon_start "${jobs[@]}"; exit 130' INT TERM HUP
  network_up
  set -m # a process group per job, so that an interrupted one ends with its children
  if [ "$(part_state ceph)" = absent ]; then
    say "starting Ceph, about 6 seconds"
    ceph_up &
    jobs+=($!)
  fi
  if [ "$1" = all ] && [ "$(part_state kubernetes)" = absent ]; then
    say "starting Kubernetes, about 15 seconds"
    kubernetes_up &
    jobs+=($!)
  fi
  set +m
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  if [ $failed = 1 ]; then
    abandon_start "${jobs[@]}"
    die "the lab did not start; its logs are in $LAB/log"
  fi
  trap - INT TERM HUP
}

abandon_start() {
  local job
  trap '' INT TERM HUP
  for job in "$@"; do kill -s TERM -- "-$job" 2>/dev/null || true; done
  stop_everything
}

lab_down() {
  require_root "the lab"
  [ "$(readlink /proc/self/ns/net)" != "net:[$(stat -Lc %i "$LAB_NETNS" 2>/dev/null)]" ] ||
    die "this shell runs inside the lab that it would stop"
  lab_lock
  trap '' INT TERM HUP
  stop_everything
  say "the lab is down; its logs stay in $LAB/log"
}

stop_everything() {
  kubernetes_down
  ceph_down
  netns_down "$LAB_ID"
  rm -rf "${LAB_RUN:?}" "${LAB:?}"/{pid,state,bin,images,loops}
}

lab_lock() {
  mkdir -p "$LAB"
  exec 9>"$LAB/lock"
  flock --timeout 300 9 || die "another ./dev lab works on $LAB"
}

lab_status() {
  local name
  echo "lab $LAB_ID in $LAB: ceph $(part_state ceph), kubernetes $(part_state kubernetes)"
  for name in $(process_names); do
    if is_running "$name"; then
      printf '  %-20s process %s\n' "$name" "$(process_id "$name")"
    else
      printf '  %-20s not running, see %s\n' "$name" "$LAB/log/$name.log"
    fi
  done
  if [ "$(part_state kubernetes)" = ready ]; then kubectl_lab get nodes; fi
}

lab_api_server() {
  [ "$(part_state kubernetes)" = ready ] || die "Kubernetes is not up: ./dev lab up"
  case ${1:-} in
    stop) stop_processes KILL apiserver ;;
    start) is_running apiserver || api_server_up ;;
    *) die "lab api-server ${1:-}: expected stop or start" ;;
  esac
}

lab_ceph_daemon() {
  [ "$(part_state ceph)" = ready ] || die "Ceph is not up: ./dev lab up ceph"
  case ${1:-} in
    ceph-mon | ceph-mgr | ceph-osd) ;;
    *) die "lab ceph-daemon ${1:-}: expected ceph-mon, ceph-mgr or ceph-osd" ;;
  esac
  case ${2:-} in
    stop) stop_processes KILL "$1" ;;
    start) is_running "$1" || start_ceph_daemon "$1" ;;
    *) die "lab ceph-daemon $1 ${2:-}: expected stop or start" ;;
  esac
}

lab_exports() {
  [ "$(part_state ceph)" = ready ] || die "the lab is not up: ./dev lab up"
  echo "CEPH_CONF=$CEPH_DIR/ceph.conf"
  echo "BERTH_CLUSTERS=$LAB/clusters"
  [ "$(part_state kubernetes)" != ready ] || echo "KUBECONFIG=$LAB_KUBECONFIG"
  echo "PATH=$LAB/bin:$PATH"
}

lab_env() {
  local exports line
  exports=$(lab_exports)
  while read -r line; do printf 'export %s=%q\n' "${line%%=*}" "${line#*=}"; done <<<"$exports"
}

lab_run() {
  local exports
  [ $# -gt 0 ] || die "lab run: no command given"
  exports=$(lab_exports)
  mapfile -t exports <<<"$exports"
  exec nsenter --net="$LAB_NETNS" -- env "${exports[@]}" "$@"
}

lab_controllers() {
  require_root "the lab"
  lab_lock
  change_controllers "${1:-$ALL_CONTROLLERS}"
}

# The lab is in a network of its own: what a person calls by name is a wrapper that enters it.
write_wrappers() {
  local name
  mkdir -p "$LAB/bin"
  if [ -e "$LAB_KUBECONFIG" ]; then
    write_wrapper kubectl "$KUBERNETES_BIN/kubectl" "KUBECONFIG=$LAB_KUBECONFIG"
    write_wrapper berth "$BERTH_BUILD/bin/berth" "KUBECONFIG=$LAB_KUBECONFIG"
    ln -sf berth "$LAB/bin/kubectl-berth" # kubectl finds its plugins by name
  fi
  for name in ceph rbd rados; do
    write_wrapper $name "/usr/bin/$name" "CEPH_CONF=$CEPH_DIR/ceph.conf"
  done
  for name in berth-controller berth-node berth-data berth-companion; do
    write_wrapper $name "$BERTH_BUILD/bin/$name" "BERTH_CLUSTERS=$LAB/clusters"
  done
}

# write_wrapper NAME PROGRAM VARIABLE=VALUE
write_wrapper() {
  printf '#!/bin/sh\nexec nsenter --net=%q -- env %q %q "$@"\n' "$LAB_NETNS" "$3" "$2" >"$LAB/bin/$1"
  chmod +x "$LAB/bin/$1"
}

command=${1:-help}
shift || true
case $command in
  up) lab_up "$@" ;;
  down) lab_down ;;
  status) lab_status ;;
  env) lab_env ;;
  run) lab_run "$@" ;;
  node) in_node "$@" ;;
  import) import_image "$@" ;;
  api-server) lab_api_server "$@" ;;
  ceph-daemon) lab_ceph_daemon "$@" ;;
  controllers) lab_controllers "$@" ;;
  help) lab_help ;;
  *) lab_help >&2; die "unknown: lab $command" ;;
esac
