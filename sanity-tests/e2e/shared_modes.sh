# Volumes that several nodes share, or that one pod has alone: what goes together works, what does not is refused.
# Sourced by test.sh, which defines step, run and check; flow.sh defines within, bad_input.sh no_attachments.
# shellcheck shell=bash

shared_modes() {
  clear_shared
  readers
  raw_writers
  one_pod
  mounted_by_many
  clear_shared
}

clear_shared() {
  step "no shared volume is left"
  kubectl delete --ignore-not-found --timeout=60s -f "$E2E_DIR/shared_modes.yaml" >/dev/null
  fill_manifest | kubectl delete --ignore-not-found --timeout=60s -f - >/dev/null
  check "no node has one attached" within 60 no_shared_attachments
  if rbd info novel >/dev/null 2>&1; then rbd rm --no-progress novel; fi
}

readers() {
  step "a volume is filled by one pod, and read on two nodes"
  run "rbd create --size 64M rbd/novel"
  run "sed s/by-hand/novel/g static_volume.yaml | kubectl create -f -"
  run "kubectl wait --for=condition=Ready pod/novel --timeout=$READY_TIMEOUT"
  run "kubectl exec novel -- sh -c 'echo Call me Ishmael. > /data/note'"
  run "sed s/by-hand/novel/g static_volume.yaml | kubectl delete --timeout=60s -f -"
  check "its writer has given it back" within 60 no_shared_attachments
  create_part reader pod/reader-1
  check "reader-1 reads it" reads reader-1
  run "kubectl create -f shared_modes.yaml -l part=beside"
  check "a writer is refused, and the reader's node named" within 30 beside_is_refused
  run "kubectl delete --timeout=60s -f shared_modes.yaml -l part=beside"
  create_part second-reader pod/reader-2
  check "reader-2 reads it on the other node" reads reader-2
  check "neither can write" read_only
  run "kubectl berth holders lab/rbd/novel"
  check "each node is a holder" shared_by lab/rbd/novel "ROX n1, ROX n2"
  run "kubectl delete --timeout=60s pod/reader-2"
  delete_part reader
}

raw_writers() {
  local volume
  step "a raw volume is written on two nodes"
  create_part writer pod/writer-1 pod/writer-2
  volume=$(handle_of raw)
  write_raw writer-1 0 one
  write_raw writer-2 1 two
  check "writer-1 reads what writer-2 wrote" test "$(read_raw writer-1 1)" = two
  check "writer-2 reads what writer-1 wrote" test "$(read_raw writer-2 0)" = one
  check "each node is a holder" shared_by "$volume" "RWX n1, RWX n2"
  run "kubectl delete pod writer-1"
  check "writer-1's node has given it back" within 60 shared_by "$volume" "RWX n2"
  write_raw writer-2 0 three
  check "writer-2 writes on" test "$(read_raw writer-2 0)" = three
  delete_part writer
}

# That there is one pod is Kubernetes' own scheduler's doing first; the node's answer to a second one has a unit test.
one_pod() {
  step "a volume for one pod"
  run "kubectl create -f shared_modes.yaml -l part=one-pod"
  check "one of the two pods runs" within 120 one_runs
  check "the other is told why it does not" within 30 other_waits
  check "the node is the holder" shared_by "$(handle_of for-one-pod)" "RWOP $(pod_node "$(running_pod)")"
  run "kubectl delete pod $(running_pod)"
  check "now the other runs" within 120 one_runs
  delete_part one-pod
}

mounted_by_many() {
  step "a file system for several writers"
  run "kubectl create -f shared_modes.yaml -l part=mistake"
  check "the claim's event says what to use" within 30 claim_has_event mounted-by-many "volumeMode Block"
  delete_part mistake
}

fill_manifest() { sed s/by-hand/novel/g "$E2E_DIR/static_volume.yaml"; }
# create_part PART POD...: POD becomes Ready.
create_part() {
  run "kubectl create -f shared_modes.yaml -l part=$1"
  run "kubectl wait --for=condition=Ready ${*:2} --timeout=$READY_TIMEOUT"
}
delete_part() {
  run "kubectl delete --timeout=60s -f shared_modes.yaml -l part=$1"
  check "no node has it attached any more" within 60 no_shared_attachments
}

# Those of other tests' pods stay.
no_shared_attachments() {
  ! kubectl get volumeattachments -o json | jq --exit-status --argjson others "$(volumes_of_web)" \
    'any(.items[].spec.source.persistentVolumeName; [.] - $others != [])' >/dev/null
}
volumes_of_web() { kubectl get pvc -l app=nginx -o json | jq '[.items[].spec.volumeName]'; }

reads() { [ "$(kubectl exec "$1" -- cat /data/note)" = "Call me Ishmael." ]; }
read_only() {
  local pod
  for pod in reader-1 reader-2; do
    if kubectl exec $pod -- sh -c 'echo > /data/note'; then return 1; fi
    reads $pod || return 1
  done
}
beside_is_refused() {
  kubectl get volumeattachment writer-beside-readers -o jsonpath='{.status.attachError.message}' |
    grep -F 'node "n1" (ROX'
}
handle_of() { kubectl get pv "$(kubectl get pvc "$1" -o jsonpath='{.spec.volumeName}')" -o jsonpath='{.spec.csi.volumeHandle}'; }
# shared_by VOLUME "ACCESS NODE, ...": exactly these have it.
shared_by() {
  [ "$(kubectl berth holders "$1" -o json | jq -r '[.holders[] | "\(.access) \(.node)"] | join(", ")')" = "$2" ]
}

# write_raw POD BLOCK WORD, read_raw POD BLOCK: past the page cache, which each node has for itself.
write_raw() {
  run "kubectl exec $1 -- sh -c 'printf %-4096s $3 | dd of=/dev/shared bs=4096 seek=$2 oflag=direct conv=notrunc'"
}
read_raw() {
  kubectl exec "$1" -- dd if=/dev/shared bs=4096 skip="$2" count=1 iflag=direct 2>/dev/null | tr -d ' '
}

running_pod() { kubectl get pods -l part=one-pod --field-selector status.phase=Running -o jsonpath='{.items[*].metadata.name}'; }
one_runs() { [ "$(running_pod | wc -w)" = 1 ]; }
other_waits() {
  kubectl get pods -l part=one-pod --field-selector status.phase=Pending \
    -o jsonpath='{.items[*].status.conditions[?(@.type=="PodScheduled")].message}' | grep -F ReadWriteOncePod
}
claim_has_event() {
  kubectl get events --field-selector "involvedObject.name=$1,reason=ProvisioningFailed" -o jsonpath='{.items[*].message}' |
    grep -F "$2"
}
