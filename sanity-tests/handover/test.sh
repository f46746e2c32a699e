#!/usr/bin/env bash
# test.sh PROGRAMS: 50 StatefulSets are handed from Kubernetes' own controller to Berth and back. No pod is replaced but
# by an update that somebody asked for, no ControllerRevision appears but for a template that is new, and each
# controller comes to rest with what the other left. PROGRAMS holds berth-companion and fake-kubelet. Needs kubectl,
# kube-controller-manager and an API server without controllers: with_api_server sanity-tests/handover/test.sh PROGRAMS
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SUITE=handover
# shellcheck source=sanity-tests/checks.sh
source "$here/../checks.sh"
# shellcheck source=sanity-tests/handover/controllers.sh
source "$here/controllers.sh"
programs=$1
REST_S=3 # for which nothing is written when a controller has come to rest

main() {
  export HOME=$work # below which kubectl keeps what it discovered
  trap finish EXIT
  "$programs/fake-kubelet" --kubeconfig "$KUBECONFIG" >"$work/fake-kubelet.log" 2>&1 &
  kubelet=$!
  kept_by_kubernetes
  handed_over
  updated_under_berth
  handed_back
  all_held
}

finish() {
  local status=$?
  [ $status = 0 ] || tail -v -n 20 "$work"/*.log
  stop_controller
  kill -s TERM "$kubelet"
  wait "$kubelet" || true
  rm -rf "$work"
  exit $status
}

kept_by_kubernetes() {
  start_built_in --kube-api-qps=500 --kube-api-burst=1000
  jq -n -f "$here/sets.jq" >"$work/sets.json"
  kubectl create -f "$work/sets.json" >/dev/null
  check "Kubernetes' controller has made 50 sets" settled
  set_image 2 history partition
  check "and has updated twenty" settled
  set_image 3 history
  check "and ten of them again" settled
  check "ten have three revisions" test "$(revisions_of history-0 | wc -l)" = 3
  check "ten are held by their partition" test "$(images_of partition-0)" = "main:1 main:2"
  come_to_rest
  stop_controller
}

handed_over() {
  take_stock before
  start_companion
  check "Berth has looked at all of them" settled_by_berth
  come_to_rest
  take_stock after
  check "Berth replaced no pod" same pods before after
  check "and wrote no ControllerRevision" same revisions before after
}

updated_under_berth() {
  set_image 4 history plain
  check "Berth has updated twenty" settled_by_berth
  check "each got one revision" test "$(revisions_of history-0 | wc -l) $(revisions_of plain-0 | wc -l)" = "4 2"
  set_image 3 history
  check "and changed ten back" settled_by_berth
  check "which took up the revision that Kubernetes had written" \
    test "$(revisions_of history-0 | tail -n1 | cut -d' ' -f1)" = "$(update_revision_before history-0)"
  check "pods that nobody asked to update are the same" unchanged_pods parallel claims partition
  come_to_rest
  stop_controller
}

handed_back() {
  take_stock before
  start_built_in --kube-api-qps=500 --kube-api-burst=1000
  touch_templates
  check "Kubernetes' controller has looked at all of them" settled
  come_to_rest
  take_stock after
  check "it replaced no pod" same pods before after
  check "and wrote no ControllerRevision" same revisions before after
  set_image 1 plain
  check "it has changed ten back" settled
  check "which took up their first revision" test "$(revisions_of plain-0 | wc -l)" = 2
  check "and dropped the conditions that Berth had written" test -z \
    "$(kubectl get statefulset/plain-0 -o jsonpath='{.status.conditions}')"
  set_image 4 plain
  check "and forth" settled
  check "which took up the revision that Berth had written" test "$(revisions_of plain-0 | wc -l)" = 2
  stop_controller
}

# set_image TAG KIND...: of the sets of these kinds.
set_image() {
  local kind sets=()
  for kind in "${@:2}"; do sets+=("statefulset/$kind-"{0..9}); done
  kubectl set image "${sets[@]}" "main=example.org/main:$1" >/dev/null
}

# The same templates, said in other words: what is a default is said, and a quantity has another unit.
touch_templates() {
  jq '.items[] |= (.metadata.annotations.touched = "yes" | .spec.template.spec |= (.restartPolicy = "Always" |
        .containers[0] |= (.resources.requests = {cpu: "500m", memory: "1536Mi"} | del(.image))))' "$work/sets.json" |
    kubectl apply --server-side --force-conflicts --field-manager=touch -f - >/dev/null
}

# settled [CONDITION]: each set's status is of its newest spec, and its pods are as that wants them.
settled() {
  within 60 all_sets "
    (.spec.replicas - (.spec.updateStrategy.rollingUpdate.partition // 0)) as \$updated |
    .status.observedGeneration == .metadata.generation and .status.readyReplicas == .spec.replicas and
    .status.replicas == .spec.replicas and (.status.updatedReplicas // 0) >= \$updated ${1:+and ($1)}"
}
settled_by_berth() { settled '[.status.conditions[]? | select(.status == "True") | .type] | index("Available")'; }
all_sets() {
  kubectl get statefulsets -o json | jq -e "[.items[] | select($1)] | length == 50" >/dev/null
}

# come_to_rest: nothing is written any more.
come_to_rest() { check "$controller_name rests" within 60 at_rest; }
at_rest() {
  local before
  before=$(versions)
  read -rt $REST_S <> <(:) || true
  [ "$before" = "$(versions)" ]
}
versions() {
  kubectl get statefulsets,pods,persistentvolumeclaims,controllerrevisions,events --no-headers \
    -o custom-columns=KIND:.kind,NAME:.metadata.name,VERSION:.metadata.resourceVersion
}

# take_stock NAME: which pods and revisions there are.
take_stock() {
  kubectl get pods -o json | jq -c '.items[].metadata | [.name, .uid]' >"$work/pods-$1"
  kubectl get controllerrevisions -o json | jq -cS '.items[] | [.metadata.name, .metadata.uid, .revision, .data]' \
    >"$work/revisions-$1"
  kubectl get statefulsets -o json | jq -c '.items[] | [.metadata.name, .status.updateRevision]' >"$work/sets-$1"
}
same() { diff "$work/$1-$2" "$work/$1-$3"; }
# unchanged_pods KIND...: pods of these kinds are those of the last stock.
unchanged_pods() {
  local kinds
  kinds=$(IFS='|' && echo "$*")
  take_stock now
  diff <(grep -E "^\[\"($kinds)-" "$work/pods-after") <(grep -E "^\[\"($kinds)-" "$work/pods-now")
}
# revisions_of SET: a line each, oldest number first: name, number.
revisions_of() {
  kubectl get controllerrevisions -l "app=$1" --no-headers --sort-by=.revision \
    -o custom-columns=NAME:.metadata.name,NUMBER:.revision
}
update_revision_before() { jq -r "select(.[0] == \"$1\")[1]" "$work/sets-before"; }
images_of() {
  kubectl get pods -l "app=$1" -o jsonpath='{.items[*].spec.containers[0].image}' | sed 's|example.org/||g'
}

main "$@"
