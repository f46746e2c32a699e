# What somebody who made a mistake is told: an event on the claim within ten seconds that names what is wrong,
# and nothing in the pool. Sourced by test.sh, which defines step and check; flow.sh defines within.
# shellcheck shell=bash

EVENT_TIMEOUT_S=10

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
