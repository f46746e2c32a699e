#!/usr/bin/env bash
# What deploy/kubernetes/namespace keeps from being deleted, against a real API server without controllers: as long as
# a volume of Berth is attached everything that serves it, by whatever way it is deleted. Needs kubectl:
#   with_api_server sanity-tests/guard/test.sh
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
MANIFESTS=$ROOT/deploy/kubernetes
SUITE=guard
# shellcheck source=sanity-tests/checks.sh
source "$ROOT/sanity-tests/checks.sh"

main() {
  # kubectl keeps what it discovered below HOME.
  export HOME=$work
  check "without its namespace Berth is not installed" refused 'namespaces "berth-system" not found' kubectl apply -k "$MANIFESTS"
  check "the namespace" kubectl apply -k "$MANIFESTS/namespace"
  check "then Berth" kubectl apply -k "$MANIFESTS"
  mapfile -t guarded < <(guarded_objects)
  check "there is what can be guarded" test ${#guarded[@]} -ge 11
  attach theirs other.example.org
  check "another driver's volume is none of its business" each_may_go
  attach ours rbd.berth.storage
  in_use
  kubectl delete volumeattachment ours >/dev/null
  check "nothing is attached: it may be removed" within 30 kubectl delete -k "$MANIFESTS"
  check "and its namespace, too" kubectl delete --wait=false -k "$MANIFESTS/namespace"
  all_held
}

in_use() {
  local object
  check "a volume is attached: the guard holds" within 30 may_not_go "${guarded[0]}"
  for object in "${guarded[@]}"; do
    check "$object stays" may_not_go "$object"
  done
  check "the message names volume and node" refused "volume pv-1 is attached to node n1" kubectl delete -k "$MANIFESTS"
  check "however often it is tried" refused "Berth is in use" kubectl delete -k "$MANIFESTS"
  check "or by way of the whole collection" refused "Berth is in use" \
    kubectl delete --raw /apis/apps/v1/namespaces/berth-system/daemonsets
  check "all of that is still there" each_is_there
  check "the namespace stays" may_not_go namespace/berth-system
  check "a change is no removal: Berth may be upgraded" kubectl apply -k "$MANIFESTS"
  check "nor is a class, whose parameters change that way" kubectl delete --dry-run=server storageclass berth
  kubectl apply --server-side -k "$MANIFESTS/companion/statefulset" >/dev/null
  check "the companion serves no volume: it may go" may_go -n berth-system deployment/berth-statefulset
}

# All that the manifests make but the class, with its namespace where it has one.
guarded_objects() {
  kubectl get -k "$MANIFESTS" -o json |
    jq -r '.items[] | select(.kind != "StorageClass") |
      (if .metadata.namespace then "-n \(.metadata.namespace) " else "" end) + "\(.kind)/\(.metadata.name)"'
}

# may_go OBJECT, may_not_go OBJECT: as guarded_objects prints it. Nothing is deleted.
may_go() {
  # shellcheck disable=SC2068 # a namespace is a word of its own
  kubectl delete --dry-run=server $@
}
may_not_go() { refused "Berth is in use" may_go "$@"; }
each_may_go() {
  local object
  for object in "${guarded[@]}"; do may_go "$object" || return 1; done
}
each_is_there() {
  local object
  for object in "${guarded[@]}"; do
    # shellcheck disable=SC2086
    [ -z "$(kubectl get $object -o jsonpath='{.metadata.deletionTimestamp}')" ] || return 1
  done
}

# attach NAME DRIVER
attach() {
  kubectl create -f - >/dev/null <<E
apiVersion: storage.k8s.io/v1
kind: VolumeAttachment
metadata: {name: $1}
spec:
  attacher: $2
  nodeName: n1
  source: {persistentVolumeName: pv-1}
E
}

main "$@"
