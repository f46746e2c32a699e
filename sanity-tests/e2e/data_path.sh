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
  step "berth-data is killed with all of its I/O processes while web-0 writes"
  node=$(pod_node web-0)
  before=$(data_pods)
  run "kubectl -n berth-system delete pod -l app.kubernetes.io/name=berth-data --field-selector spec.nodeName=$node --grace-period=0 --force"
  check "another one runs on $node" within 60 other_data_pods "$before"
  run "kubectl -n berth-system rollout status daemonset/berth-data --timeout=$READY_TIMEOUT"
  check "web-0 goes on writing" within 60 writes_on
  stop_writing
}

data_pods() { kubectl -n berth-system get pods -l app.kubernetes.io/name=berth-data -o jsonpath='{.items[*].metadata.uid}'; }
# As many run as before, and on web-0's node another one.
other_data_pods() {
  [ "$(data_pods)" != "$1" ] && [ "$(data_pods | wc -w)" = "$(wc -w <<<"$1")" ] &&
    kubectl -n berth-system wait --for=condition=Ready pod -l app.kubernetes.io/name=berth-data --timeout=1s
}
writes_on() {
  local before
  before=$(kubectl exec web-0 -- tail -n 1 /usr/share/nginx/html/log)
  [ "$(kubectl exec web-0 -- tail -n 1 /usr/share/nginx/html/log)" -gt "$before" ]
}
