# Controllers of StatefulSets on an API server without others: Kubernetes' own alone out of kube-controller-manager, and
# berth-companion's ordering role. One runs at a time. Sourced by scripts that with_api_server runs; they set
#   programs   the directory of berth-companion and fake-kubelet
#   work       a directory for logs
# shellcheck shell=bash disable=SC2034,SC2154 # set and used by the script that sources this one

controller=
controller_name=

# start_built_in [FLAG...]
start_built_in() {
  start_controller built-in kube-controller-manager --controllers=statefulset-controller --kubeconfig="$KUBECONFIG" \
    --leader-elect=false --secure-port=0 "$@"
}

# Takes apps/v1 over.
start_companion() {
  POD_NAMESPACE=default POD_NAME=companion start_controller companion "$programs/berth-companion" --roles=statefulset \
    --kubeconfig "$KUBECONFIG" --take-over-apps-v1 --takeover-check-s 2
}

# start_controller NAME COMMAND...: and waits until it keeps sets.
start_controller() {
  controller_name=$1
  "${@:2}" >>"$work/$1.log" 2>&1 &
  controller=$!
  kubectl create -f - >/dev/null <<<'{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: probe}, spec: {replicas: 0,
    serviceName: probe, selector: {matchLabels: {app: probe}}, template: {metadata: {labels: {app: probe}},
    spec: {containers: [{name: none, image: none}]}}}}'
  kubectl wait --for=jsonpath='{.status.observedGeneration}'=1 statefulset/probe --timeout=60s >/dev/null ||
    { tail -n 20 "$work/$1.log" >&2; return 1; }
  kubectl delete statefulset/probe >/dev/null
}

stop_controller() {
  [ -n "$controller" ] || return 0
  kill -s TERM "$controller"
  wait "$controller" || true
  controller=
}
