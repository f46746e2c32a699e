# What somebody who made a mistake is told: an event within ten seconds that names what is wrong, on the claim or, for
# a device that holds something else, on the pod; and nothing is left in the pool, or overwritten. Sourced by test.sh, which defines step and check; flow.sh defines within.
# shellcheck shell=bash

EVENT_TIMEOUT_S=10
UNREACHABLE_EVENT_TIMEOUT_S=30

bad_input() {
  step "mistakes are told by an event on the claim"
  remove_mistake
  mistake "a class without pool" 1Gi "pool is missing" ""
  mistake "an unknown parameter" 1Gi "imageFormat" "pool: rbd, imageFormat: '2'"
  mistake "a pool that does not exist" 1Gi "no-such-pool" "pool: no-such-pool"
  mistake "a cluster that is not described" 1Gi "elsewhere" "pool: rbd, cluster: elsewhere"
  mistake "an unknown file system" 1Gi "ntfs" "pool: rbd, csi.storage.k8s.io/fstype: ntfs"
  mistake "a size above the limit" 100Ti "109951162777600" "pool: rbd"
  mistake "a wrong key" 1Gi "refuse this user or key" "pool: rbd,
    csi.storage.k8s.io/provisioner-secret-name: wrong-key, csi.storage.k8s.io/provisioner-secret-namespace: berth-system"
}

# A second cluster is described, whose monitor's address nobody answers at. Whether something was made there cannot
# be known, so a deleted claim waits until the cluster answers, or is no longer described.
unreachable_monitor() {
  step "a cluster whose monitor cannot be reached"
  printf '[global]\nmon host = 192.0.2.1\n' | kubectl -n berth-system create secret generic berth-unreachable \
    --from-file=ceph.conf=/dev/stdin --from-file=keyring="$BERTH_CLUSTERS/lab/keyring" --dry-run=client -o yaml | kubectl apply -f - >/dev/null
  kubectl -n berth-system patch deployment berth-controller --type=json -p '[{"op": "add",
    "path": "/spec/template/spec/volumes/0/projected/sources/-", "value": {"secret": {"name": "berth-unreachable", "items":
    [{"key": "ceph.conf", "path": "unreachable/ceph.conf"}, {"key": "keyring", "path": "unreachable/keyring"}]}}}]' >/dev/null
  run "kubectl -n berth-system rollout status deployment/berth-controller --timeout=120s"
  mistaken_objects 1Gi "pool: rbd, cluster: unreachable" | kubectl create -f - >/dev/null
  check "the claim's event says so" within $UNREACHABLE_EVENT_TIMEOUT_S has_event "no monitor answered"
  check "berth doctor names it, and looks at the others all the same" names_unreachable
  kubectl delete --wait=false pvc/mistake >/dev/null
  kubectl -n berth-system patch deployment berth-controller --type=json \
    -p '[{"op": "remove", "path": "/spec/template/spec/volumes/0/projected/sources/1"}]' >/dev/null
  kubectl -n berth-system delete secret berth-unreachable >/dev/null
  run "kubectl -n berth-system rollout status deployment/berth-controller --timeout=120s"
  check "the deleted claim goes when the cluster is no longer described" \
    kubectl wait --for=delete pvc/mistake --timeout=60s
  remove_mistake
}

# An image with a swap area on it is mounted as ext4: refused with what was found, and not formatted.
occupied_device() {
  local image before
  step "a device that holds something else"
  image=$(mktemp)
  truncate -s 64M "$image"
  mkswap "$image" >/dev/null 2>&1
  before=$(sha256sum <"$image")
  rbd import --no-progress "$image" rbd/occupied
  rm "$image"
  sed 's/by-hand/occupied/g' "$E2E_DIR/static_volume.yaml" | kubectl create -f - >/dev/null
  check "the pod's event says what was found" within 60 pod_has_event occupied swap
  sed 's/by-hand/occupied/g' "$E2E_DIR/static_volume.yaml" | kubectl delete --timeout=60s -f - >/dev/null
  check "no node has it attached any more" within 60 no_attachments
  check "nor a record of it" is_recorded_nowhere occupied
  check "not a byte was changed" test "$(rbd export --no-progress rbd/occupied - | sha256sum)" = "$before"
  rbd rm --no-progress rbd/occupied
}

is_recorded_nowhere() {
  local node records
  for node in n1 n2; do
    records=$(records_of $node) && [[ $records != *"$1"* ]] || return 1
  done
}

# What a log collector reads.
json_logs() {
  local namespace pod pods
  step "every log line is JSON"
  for namespace in berth-system kube-system; do
    pods=$(kubectl -n $namespace get pods -o name)
    for pod in $pods; do
      check "of $pod" log_is_json $namespace "$pod"
    done
  done
}

log_is_json() { kubectl -n "$1" logs "$2" | jq --exit-status 'has("message")' >/dev/null; }

pod_has_event() {
  kubectl get events --field-selector "involvedObject.name=$1,reason=FailedMount" -o jsonpath='{.items[*].message}' |
    grep -F "$2"
}

no_attachments() { [ -z "$(kubectl get volumeattachments -o name)" ]; }

# mistake WHAT SIZE TEXT PARAMETERS: a claim of such a class gets a ProvisioningFailed event that holds TEXT.
mistake() {
  local images
  images=$(rbd ls | sort)
  mistaken_objects "$2" "$4" | kubectl create -f - >/dev/null
  check "$1: the claim's event says so" within $EVENT_TIMEOUT_S has_event "$3"
  check "$1: nothing is left in the pool" test "$(rbd ls | sort)" = "$images"
  remove_mistake
}

has_event() {
  kubectl get events --field-selector involvedObject.name=mistake,reason=ProvisioningFailed \
    -o jsonpath='{.items[*].message}' | grep -F "$1"
}

mistaken_objects() {
  cat <<E
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: mistake}
provisioner: rbd.berth.storage
parameters: {$2}
---
apiVersion: v1
kind: Secret
metadata: {name: wrong-key, namespace: berth-system}
stringData: {userID: berth, userKey: AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: mistake}
spec:
  storageClassName: mistake
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: $1}}
E
}

remove_mistake() {
  kubectl delete --ignore-not-found --timeout=30s pvc/mistake >/dev/null
  kubectl delete --ignore-not-found storageclass/mistake >/dev/null
  kubectl -n berth-system delete --ignore-not-found secret/wrong-key >/dev/null
  kubectl delete events --field-selector involvedObject.name=mistake >/dev/null
}
