#!/usr/bin/env bash
# The definition of StatefulSet in berth.storage/v1 against a real API server: it is accepted, has the fields of
# apps/v1, and does what kubectl asks of a StatefulSet. Needs kubectl and an API server without controllers:
#   with_api_server sanity-tests/crd/test.sh
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CRD=$ROOT/deploy/kubernetes/companion/statefulset/statefulset-crd.yaml
KIND=statefulsets.berth.storage
# shellcheck source=sanity-tests/crd/manifests.sh
source "$ROOT/sanity-tests/crd/manifests.sh"
SUITE=crd
# shellcheck source=sanity-tests/checks.sh
source "$ROOT/sanity-tests/checks.sh"

main() {
  # kubectl keeps what it discovered below HOME.
  export HOME=$work
  check "the API server accepts the definition" kubectl apply --server-side -f "$CRD"
  # kubectl wait fails while a definition has no conditions at all.
  check "and serves it" within 30 kubectl get $KIND
  kubectl get --raw /openapi/v3/apis/apps/v1 >"$work/apps.json"
  kubectl get "crd/$KIND" -o json >"$work/crd.json"
  schema
  lifecycle
  values
  immutable_fields
  merging
  check "delete" kubectl delete $KIND/web --timeout=30s
  check "and it is gone" refused "NotFound" kubectl get $KIND/web
  all_held
}

schema() {
  check "every field and type is that of apps/v1" "$ROOT/sanity-tests/crd/compare.py" "$work/apps.json" "$work/crd.json"
  jq 'del(.. | .terminationGracePeriodSeconds?)' "$work/crd.json" >"$work/wrong.json"
  check "the comparison finds a field that is missing" refused terminationGracePeriodSeconds \
    "$ROOT/sanity-tests/crd/compare.py" "$work/apps.json" "$work/wrong.json"
  "$ROOT/sanity-tests/crd/sample.py" "$work/apps.json" >"$work/sample.json"
  kubectl create --dry-run=server --validate=strict -f "$work/sample.json" -o json >"$work/stored.json"
  check "a set in which every field is set is stored whole" \
    diff <(jq -S .spec "$work/sample.json") <(jq -S .spec "$work/stored.json")
  check "a field that apps/v1 does not have is refused" refused "unknown field" \
    kubectl create --dry-run=server --validate=strict -f <(jq '.spec.template.spec.replica = 1' "$work/sample.json")
  kustomize "$work"
}

# kustomize DIR: kubectl kustomize gives the same definition.
kustomize() {
  cp "$CRD" "$1"
  printf 'resources: [%s]\n' "$(basename "$CRD")" >"$1/kustomization.yaml"
  check "kubectl kustomize gives the same" diff \
    <(kubectl kustomize "$1" | kubectl create --dry-run=client -f - -o json | jq -S .spec) \
    <(kubectl create --dry-run=client -f "$CRD" -o json | jq -S .spec)
}

lifecycle() {
  check "the tutorial's manifest with one line changed" kubectl apply --server-side -f <(tutorial_set berth.storage/v1)
  tutorial_set apps/v1 | kubectl apply --server-side --dry-run=server -f - -o json |
    jq '.items[] | select(.kind == "StatefulSet")' >"$work/apps-set.json"
  kubectl get $KIND/web -o json >"$work/set.json"
  check "its defaults are those of apps/v1" diff <(set_fields "$work/apps-set.json") <(set_fields "$work/set.json")
  check "the short name" kubectl get bsts web
  check "get sts still means apps/v1" refused 'statefulsets.apps "web" not found' kubectl get sts web
  check "scale" kubectl scale --replicas=3 $KIND/web
  check "get shows what is wanted" prints "web 3" kubectl get $KIND/web --no-headers \
    -o custom-columns=NAME:.metadata.name,REPLICAS:.spec.replicas
  set_status '{"replicas": 3, "readyReplicas": 2, "selector": "app=nginx",
    "conditions": [{"type": "Available", "status": "True"}]}'
  check "get has the columns" prints "NAME READY DESIRED AGE CONTAINER IMAGE" kubectl get bsts web -o wide
  check "get shows what is ready" prints "web 2 3" kubectl get bsts web
  check "wait for a condition" kubectl wait --for=condition=Available $KIND/web --timeout=30s
  check "wait for a number" kubectl wait --for=jsonpath='{.status.readyReplicas}=2' $KIND/web --timeout=30s
  check "an autoscaler finds the selector" prints "app=nginx" kubectl get $KIND/web --subresource=scale \
    -o jsonpath='{.status.selector}'
  check "explain" prints "How many pods there shall be" kubectl explain $KIND.spec.replicas
  check "explain goes down to the containers" prints "FIELD: readinessProbe <Object>" \
    kubectl explain $KIND.spec.template.spec.containers.readinessProbe
}

set_status() { kubectl patch $KIND/web --subresource=status --type=merge -p "{\"status\": $1}" >/dev/null; }

# set_fields FILE: what a set says besides its templates, whose defaults its pods and claims get when they are made.
set_fields() { jq -S '.spec | del(.template, .volumeClaimTemplates)' "$1"; }

values() {
  small_set small small 0.5 | kubectl create -f - >/dev/null
  check "numbers with a fraction are kept" prints 0.5 \
    kubectl get $KIND/small -o jsonpath='{.spec.template.spec.containers[0].resources.requests.cpu}'
  check "empty fields count as absent" prints '{"labels":{"app":"small"}}' \
    kubectl get $KIND/small -o jsonpath='{.spec.template.metadata}'
  check "true is no quantity" refused "requests.cpu" create "$(small_set wrong small true)"
  check "a list is no quantity" refused "requests.cpu" create "$(small_set wrong small '[1]')"
  check "an object is no quantity" refused "requests.cpu" create "$(small_set wrong small '{a: 1}')"
  check "a word is no quantity" refused "requests.cpu" create "$(small_set wrong small much)"
  check "a selector that the template's labels do not match" refused "does not match" create "$(small_set wrong other 1)"
  check "a name that is no host name" refused "metadata.name" create "$(small_set wrong.name small 1)"
  check "an unknown policy" refused "Unsupported value" change '{"spec": {"updateStrategy": {"type": "Whatever"}}}'
  check "a negative number of replicas" refused "spec.replicas" change '{"spec": {"replicas": -1}}'
  check "a restart policy that pods of a set cannot have" refused "restartPolicy" \
    change '{"spec": {"template": {"spec": {"restartPolicy": "Never"}}}}'
}

immutable_fields() {
  local storage='{"metadata": {"name": "www"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}}'
  check "serviceName stays" refused "serviceName cannot be changed" change '{"spec": {"serviceName": "other"}}'
  check "and is not removed" refused "serviceName cannot be changed" change '{"spec": {"serviceName": null}}'
  check "selector stays" refused "selector cannot be changed" change '{"spec": {"selector": {"matchLabels": {"tier": "x"}}}}'
  check "podManagementPolicy stays" refused "podManagementPolicy cannot be changed" \
    change '{"spec": {"podManagementPolicy": "Parallel"}}'
  check "claim templates stay" refused "volumeClaimTemplates cannot be changed" \
    change "{\"spec\": {\"volumeClaimTemplates\": [${storage/ReadWriteOnce/ReadWriteMany}]}}"
  check "and are not removed" refused "volumeClaimTemplates cannot be added or removed" \
    change '{"spec": {"volumeClaimTemplates": null}}'
  check "nor added" refused "volumeClaimTemplates cannot be added or removed" \
    kubectl patch $KIND/small --type=merge -p "{\"spec\": {\"volumeClaimTemplates\": [$storage]}}"
  check "the storage request may change" change "{\"spec\": {\"volumeClaimTemplates\": [$storage]}}"
  check "what apps/v1 lets change may change" change '{"spec": {"replicas": 2, "minReadySeconds": 1, "ordinals": {"start": 1},
    "revisionHistoryLimit": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}},
    "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"},
    "template": {"metadata": {"annotations": {"changed": "true"}}}}}'
}

# Two owners of one set: containers are merged by name, and each owner changes only its own.
merging() {
  check "a second owner adds a container" apply_as second "$(sidecar helper 0.5)"
  check "both are there" prints "nginx helper" kubectl get $KIND/web -o jsonpath='{.spec.template.spec.containers[*].name}'
  check "the second owner renames its own" apply_as second "$(sidecar logger 1)"
  check "and only that" prints "nginx logger" kubectl get $KIND/web -o jsonpath='{.spec.template.spec.containers[*].name}'
}

apply_as() { kubectl apply --server-side --field-manager="$1" -f - <<<"$2"; }
create() { kubectl create -f - <<<"$1"; }
change() { kubectl patch $KIND/web --type=merge -p "$1"; }

main "$@"
