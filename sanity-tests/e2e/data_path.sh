# berth-data is upgraded and killed under a pod that writes. Uses what flow.sh defines; web-0 runs.
# shellcheck shell=bash

data_path() {
  local node before
  step "berth-data is upgraded while web-0 writes"
  start_writing
  before=$(data_pods)
  run "kubectl -n berth-system rollout restart daemonset/berth-data"
  run "kubectl -n berth-system rollout status daemonset/berth-data --timeout=$READY_TIMEOUT"
  check "the pods of berth-data are new" within 60 other_data_pods "$before"
  check "web-0 goes on writing" within 60 writes_on
  step "berth-data is killed with all of its I/O processes while web-0 writes"
  node=$(pod_node web-0)
  # The container's first process: its others end with it.
  run "$BERTH_ROOT/dev lab node ${node#n} sh -c 'kill -KILL \$(pgrep -x berth-data)'"
  check "the kubelet has started it again" within 60 data_pod_restarted "$node"
  check "web-0 goes on writing" within 60 writes_on
  stop_writing
}

data_pods() { kubectl -n berth-system get pods -l app.kubernetes.io/name=berth-data -o jsonpath='{.items[*].metadata.uid}'; }
# As many run as before, and on web-0's node another one.
other_data_pods() {
  [ "$(data_pods)" != "$1" ] && [ "$(data_pods | wc -w)" = "$(wc -w <<<"$1")" ] &&
    kubectl -n berth-system wait --for=condition=Ready pod -l app.kubernetes.io/name=berth-data --timeout=1s
}
data_pod_restarted() {
  [ "$(kubectl -n berth-system get pods -l app.kubernetes.io/name=berth-data --field-selector "spec.nodeName=$1" \
    -o jsonpath='{.items[*].status.containerStatuses[0].restartCount} {.items[*].status.containerStatuses[0].ready}')" = "1 true" ]
}
writes_on() {
  local before
  before=$(kubectl exec web-0 -- tail -n 1 /usr/share/nginx/html/log)
  [ "$(kubectl exec web-0 -- tail -n 1 /usr/share/nginx/html/log)" -gt "$before" ]
}
