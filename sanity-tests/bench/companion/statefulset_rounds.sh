#!/usr/bin/env bash
# statefulset_rounds.sh RESULTS PROGRAMS ROUNDS REPLICAS PODS: a StatefulSet with a claim template, from its creation
# until all of its pods are Ready; the pods are run by a fake kubelet in the measuring program, so that no node is the
# limit. What is asked of the API server is counted by the API server. Run by statefulset.sh, beside an API server.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=sanity-tests/handover/controllers.sh
source "$here/../../handover/controllers.sh"

results=$1
programs=$2
rounds=$3
replicas=$4
pods=$5
IDLE_S=35 # longer than berth-companion's release interval of 30 s
UNLIMITED=(--kube-api-qps=500 --kube-api-burst=1000)

main() {
  local round policy who
  work=$(mktemp -d)
  export HOME=$work # below which kubectl keeps what it discovered
  trap finish EXIT
  for ((round = 1; round <= rounds; round++)); do
    for policy in OrderedReady Parallel; do
      for who in berth built-in built-in-unlimited; do measure "$round" $policy $who; done
    done
  done
  for who in berth built-in-unlimited; do memory $who; done
  jq -s '{runs: map(select(.policy)), memory: map(select(.pods))}' "$work/runs.json" >"$results/statefulset.json"
  table <"$results/statefulset.json"
}

finish() {
  stop_controller
  rm -rf "$work"
}

start() {
  case $1 in
    berth) start_companion ;;
    built-in) start_built_in ;;
    built-in-unlimited) start_built_in "${UNLIMITED[@]}" ;;
  esac
  at_rest >/dev/null
}

# measure ROUND POLICY WHO
measure() {
  local before after
  start "$3"
  before=$(at_rest)
  bench --policy "$2" --replicas "$replicas" >"$work/times.json"
  after=$(at_rest)
  stop_controller
  clear_objects
  jq -c --argjson round "$1" --arg policy "$2" --arg who "$3" --argjson before "$before" --argjson after "$after" \
    '. + {round: $round, policy: $policy, who: $who,
      calls: ($after | with_entries(.value -= ($before[.key] // 0)) | with_entries(select(.value > 0)))}' \
    "$work/times.json" | tee -a "$work/runs.json" >&2
}

# memory WHO: with sets of 50 pods that start at once.
memory() {
  local busy_kb
  start "$1"
  bench --policy Parallel --replicas 50 --sets $((pods / 50)) >/dev/null
  busy_kb=$(resident_kb)
  sleep $IDLE_S # what is measured is a controller that has been idle for a while
  jq -nc --arg who "$1" --argjson pods "$pods" --argjson busy_kb "$busy_kb" --argjson idle_kb "$(resident_kb)" \
    '$ARGS.named' | tee -a "$work/runs.json" >&2
  stop_controller
  clear_objects
}

bench() { "$programs/statefulset-bench" --kubeconfig "$KUBECONFIG" "$@"; }
# shellcheck disable=SC2154 # set by controllers.sh
resident_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$controller/status"; }

# What a controller of sets asks for: {"<resource>[/<subresource>] <verb>": count}. Not the creation of the set, nor what
# the fake kubelet writes; lists and watches are of the controller's start.
calls() {
  kubectl get --raw /metrics | sed -n 's/^apiserver_request_total{\(.*\)} \(.*\)$/\1,count="\2"/p' |
    jq -nRc '
      reduce (inputs | [scan("([a-z_]+)=\"([^\"]*)\"") | {key: .[0], value: .[1]}] | from_entries |
        select(.resource | IN("statefulsets", "pods", "persistentvolumeclaims", "controllerrevisions", "events")) |
        select(.verb | IN("LIST", "WATCH", "DELETECOLLECTION") | not) |
        {key: "\(.resource)\(if .subresource == "" then "" else "/" + .subresource end) \(.verb)", count: (.count | tonumber)} |
        select(.key | IN("pods/status PATCH", "statefulsets POST") | not)) as $call ({}; .[$call.key] += $call.count)'
}

# at_rest: the calls until now, once none is made any more.
at_rest() {
  local before now
  now=$(calls)
  until [ "$now" = "${before:-}" ]; do
    before=$now
    read -rt 2 <> <(:) || true # no call in that time
    now=$(calls)
  done
  echo "$now"
}

# Whole collections: kubectl would delete and await one object after the other.
clear_objects() {
  local collection
  for collection in apis/apps/v1/namespaces/default/{statefulsets,controllerrevisions} \
    api/v1/namespaces/default/{pods,persistentvolumeclaims,events}; do
    kubectl delete --raw "/$collection" >/dev/null
  done
}

table() {
  jq -r '
    def median: sort | .[(length - 1) / 2 | floor];
    def figure($digits): . * pow(10; $digits) | round / pow(10; $digits);
    "\(.runs | map(.policy) | unique | join(" and ")): seconds to all Ready (to a status that says so), calls a pod",
    (.runs | group_by([.policy, .who])[] |
      "  \(.[0].policy) \(.[0].who): \(map(.pods_ready_s) | median | figure(2)) s (\(map(.status_ready_s) | median | figure(2)) s), \(
        map(.calls | add) | median / ($replicas | tonumber) | figure(1)) calls"),
    (.memory[] | "  \(.who) with \(.pods) pods: \(.busy_kb / 1024 | figure(0)) MB resident, idle \(.idle_kb / 1024 | figure(0)) MB")' \
    --arg replicas "$replicas"
}

main
