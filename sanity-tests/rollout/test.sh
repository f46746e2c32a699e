#!/usr/bin/env bash
# `kubectl berth rollout` beside `kubectl rollout`, against a real API server without controllers: what a controller
# writes, revisions and status, this writes. Needs kubectl and the directory of Berth's programs:
#   with_api_server sanity-tests/rollout/test.sh build/dev/bin
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SUITE=rollout
# shellcheck source=sanity-tests/checks.sh
source "$ROOT/sanity-tests/checks.sh"

main() {
  # kubectl keeps what it discovered below HOME, and finds its plugins in PATH.
  export HOME=$work
  mkdir "$work/bin"
  ln -s "$(realpath "$1")/berth" "$work/bin/kubectl-berth"
  PATH=$work/bin:$PATH
  kubectl apply --server-side -f "$ROOT/deploy/kubernetes/companion/statefulset/statefulset-crd.yaml" >/dev/null
  check "our kind is served" within 30 kubectl get bsts
  built_in_kind
  both_kinds
  mistakes
  all_held
}

# The same answers as kubectl's own command, which knows the built-in kind alone.
built_in_kind() {
  make_set apps/v1
  make_revision statefulsets.apps 1 ""
  retag statefulsets.apps two
  make_revision statefulsets.apps 2 "the second image"
  check "history lists what kubectl lists" \
    diff <(kubectl rollout history sts/web | lines) <(kubectl berth rollout history sts/web | lines)
  check "history shows a revision's template" prints "image: one" kubectl berth rollout history sts/web --revision 1
  check "history in JSON" prints "two" json_value '.spec.containers[0].image' \
    kubectl berth rollout history sts/web --revision 2 -o json
  check "undo goes back to the one before" prints "has again the template of revision 1" kubectl berth rollout undo sts/web
  check "and the set has that template" prints one image_of statefulsets.apps
  check "kubectl finds nothing left to undo" prints "skipped rollback" kubectl rollout undo sts/web --to-revision=1
  check "nor does berth" prints "has already the template of revision 1" \
    kubectl berth rollout undo sts/web --to-revision 1
  check "undo goes forward, too" prints true json_value .changed kubectl berth rollout undo sts/web --to-revision 2 -o json
  set_status statefulsets.apps 2 web-2 web-2
  check "status is complete when kubectl says so" prints "roll out complete" kubectl rollout status sts/web
  check "status" prints "statefulset.apps/web: rollout complete: 2 pods have revision web-2" kubectl berth rollout status sts/web
}

both_kinds() {
  make_set berth.storage/v1
  make_revision statefulsets.berth.storage 1 ""
  retag statefulsets.berth.storage two
  make_revision statefulsets.berth.storage 2 ""
  set_status statefulsets.berth.storage 1 web-1 web-2
  check "of two sets ours is meant" prints "statefulset.berth.storage/web" kubectl berth rollout history sts/web
  check "--kind chooses the other" prints "statefulset.apps/web" kubectl berth rollout history sts/web --kind apps
  check "status says what it waits for" refused "waiting for pods to be ready: 1 of 2 are; web-0 (does not exist)" \
    kubectl berth rollout status sts/web --timeout 0
  check "in JSON, too" prints false json_value .complete kubectl berth rollout status sts/web --timeout 0 -o json
  kubectl berth rollout status sts/web --timeout 30s >"$work/status" &
  local waiting=$!
  check "it waits" within 20 grep -q "1 of 2 are" "$work/status"
  set_status statefulsets.berth.storage 2 web-2 web-2
  check "until the rollout is complete" wait $waiting
  check "and says so" grep "rollout complete: 2 pods have revision web-2" "$work/status"
  check "undo of our kind" prints "has again the template of revision 1" kubectl berth rollout undo sts/web
  check "restores the template" prints one image_of statefulsets.berth.storage
}

mistakes() {
  check "a missing set is named" refused 'no StatefulSet "absent" in namespace "default"' kubectl berth rollout status sts/absent
  check "a missing revision, with those that there are" refused "there are: 1, 2" \
    kubectl berth rollout undo sts/web --to-revision 9
  check "another namespace" refused 'in namespace "elsewhere"' kubectl berth rollout status sts/web -n elsewhere
  check "a failure ends with 1" ends_with 1 kubectl berth rollout status sts/absent
  check "wrong usage ends with 2" ends_with 2 kubectl berth rollout status deployment/web
  check "so does a missing command" ends_with 2 kubectl berth rollout
  check "an API server that is not there" refused "127.0.0.1:1" \
    env KUBECONFIG=<(sed 's|https://[^"]*|https://127.0.0.1:1|' "$KUBECONFIG" | absolute_paths) \
    kubectl-berth rollout status sts/web
  check "no kubeconfig at all" refused "give --kubeconfig FILE" env -u KUBECONFIG kubectl-berth rollout status sts/web
}

# make_set APIVERSION
make_set() {
  kubectl create -f - >/dev/null <<E
apiVersion: $1
kind: StatefulSet
metadata: {name: web}
spec:
  replicas: 2
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: one}]}
E
}

retag() {
  kubectl patch "$1/web" --type=json \
    -p "[{\"op\": \"replace\", \"path\": \"/spec/template/spec/containers/0/image\", \"value\": \"$2\"}]" >/dev/null
}

image_of() { kubectl get "$1/web" -o jsonpath='{.spec.template.spec.containers[0].image}'; }

# make_revision RESOURCE NUMBER CAUSE: as a controller records the set's template.
make_revision() {
  kubectl get "$1/web" -o json | jq --argjson number "$2" --arg cause "$3" '{
      apiVersion: "apps/v1", kind: "ControllerRevision", revision: $number,
      metadata: {
        name: "\(.apiVersion | split("/")[0] | gsub("[.]"; "-"))-web-\($number)", labels: {app: "web"},
        annotations: (if $cause == "" then {} else {"kubernetes.io/change-cause": $cause} end),
        ownerReferences: [{apiVersion, kind, name: .metadata.name, uid: .metadata.uid, controller: true}]},
      data: {spec: {template: (.spec.template + {"$patch": "replace"})}}}' | kubectl create -f - >/dev/null
}

# set_status RESOURCE READY CURRENT UPDATE
set_status() {
  local generation
  generation=$(kubectl get "$1/web" -o jsonpath='{.metadata.generation}')
  kubectl patch "$1/web" --subresource=status --type=merge -p "{\"status\": {\"observedGeneration\": $generation,
    \"replicas\": 2, \"readyReplicas\": $2, \"currentReplicas\": 2, \"updatedReplicas\": 2, \"currentRevision\": \"$3\",
    \"updateRevision\": \"$4\"}}" >/dev/null
}

# The lines of a history that hold a revision, without their alignment.
lines() { tr -s ' ' <<<"$(cat)" | grep '^[0-9]'; }

json_value() {
  local filter=$1 output
  shift
  output=$("$@" 2>/dev/null) || true
  jq -r "$filter" <<<"$output"
}

ends_with() {
  local code=$1 status=0
  shift
  "$@" || status=$?
  [ $status = "$code" ]
}

absolute_paths() { sed "s|certificate-authority: |&$(dirname "$KUBECONFIG")/|"; }

main "$@"
