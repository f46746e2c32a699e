# What docs/operations.md tells an administrator to do, command by command: upgrade, drain, a dead node, uninstall,
# install again. sanity-tests/operations/check_page.py holds the page against these commands. Sourced by test.sh, which
# defines step, run and check; flow.sh defines the demo's objects, doctor.sh asks the doctor. Comes last: it takes Berth
# away.
# shellcheck shell=bash disable=SC2154 # log, output, writes

MANIFESTS=deploy/lab/berth
STAGED=/var/lib/kubelet/plugins/kubernetes.io/csi/rbd.berth.storage
RECORDS=/var/lib/kubelet/plugins/rbd.berth.storage/state

operations() {
  clear_earlier_run
  cd "$E2E_DIR" || return
  create_set
  write_data
  cd "$BERTH_ROOT" || return
  upgraded
  key_rotated
  drained
  node_dies
  removal_refused
  removed
  installed_again
}

# To an image of another name and the same content, and back, while web-0 writes.
upgraded() {
  local node
  step "Berth is upgraded, and back, while web-0 writes"
  for node in 1 2; do
    "$BERTH_ROOT/dev" lab node $node ctr -n k8s.io images tag --force docker.io/berth/berth:{dev,next} >>"$log"
  done
  mkdir -p build/next
  cat >build/next/kustomization.yaml <<E
resources: [../../deploy/lab/berth]
images: [{name: docker.io/berth/berth, newTag: next}]
E
  start_writing
  upgrade_to next build/next
  upgrade_to dev deploy/lab/berth
  stop_writing
  check "what it wrote is there, in order" wrote_all
  # The records of images that other parts have removed by hand.
  check "the doctor repairs what is left of other parts" within 60 doctor_ends_with 0 --fix --yes
  check "nothing is wrong" within 60 doctor_ends_with 0
}

# upgrade_to TAG MANIFESTS
upgrade_to() {
  local MANIFESTS=$2
  run "kubectl apply -k deploy/kubernetes/namespace"
  run "kubectl apply -k $MANIFESTS"
  run "kubectl -n berth-system rollout status daemonset/berth-data --timeout=5m"
  run "kubectl -n berth-system rollout status daemonset/berth-node --timeout=5m"
  run "kubectl -n berth-system rollout status deployment/berth-controller --timeout=5m"
  check "every pod is of $1" within 60 only_images "docker.io/berth/berth:$1"
}

# To a second user, and back.
key_rotated() {
  local CONF=$BERTH_CLUSTERS/lab/ceph.conf KEYRING
  KEYRING=$(mktemp)
  step "the key is rotated, and back, while web-0 writes"
  start_writing
  run "ceph auth get-or-create client.berth-2 mon 'profile rbd' mgr 'profile rbd pool=rbd' osd 'profile rbd pool=rbd' -o $KEYRING"
  use_key
  run "ceph auth get-or-create client.berth mon 'profile rbd' mgr 'profile rbd pool=rbd' osd 'profile rbd pool=rbd' -o $KEYRING"
  use_key
  run "ceph auth rm client.berth-2"
  stop_writing
  check "what it wrote is there, in order" wrote_all
  rm "$KEYRING"
}

# The kubelets look at Secrets every other minute, or when a pod changes.
use_key() {
  local before
  before=$(clients)
  run "kubectl -n berth-system create secret generic berth-clusters --from-file=ceph.conf=$CONF --from-file=ceph.keyring=$KEYRING --dry-run=client -o yaml | kubectl apply -f -"
  kubectl -n berth-system annotate --overwrite pods --all "berth.lab/key=$(date +%s)" >/dev/null
  check "each volume has a new Ceph client" within 180 only_other_clients "$before"
}

drained() {
  step "the node of web-0 is drained"
  NODE=$(pod_node web-0)
  check "it has its mount and a record of it" isnt is_clean "$NODE"
  run "kubectl drain $NODE --ignore-daemonsets --delete-emptydir-data --timeout=10m"
  run "kubectl rollout status statefulset/web --timeout=$READY_TIMEOUT"
  check "web-0 is Ready on the other node" within 60 runs_elsewhere "$NODE"
  check "it has its own data" has_data web-0
  run "kubectl berth holders"
  check "$NODE has no volume" within 60 holds_nothing "$NODE"
  check "nor a mount, a device or a record of one" within 60 is_clean "$NODE"
  run "kubectl uncordon $NODE"
}

# Its kubelet is stopped, so for Kubernetes it is dead; the pod there writes on until its volume is taken away.
node_dies() {
  step "the node of web-0 dies"
  NODE=$(pod_node web-0)
  signal_kubelet STOP
  check "Kubernetes notices" kubectl wait --for=condition=Ready=Unknown "node/$NODE" --timeout=120s
  run "kubectl taint nodes $NODE node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
  check "web-0 is Ready on the other node" within 180 runs_elsewhere "$NODE"
  check "it has its own data" has_data web-0
  run "kubectl berth fences"

  step "the node comes back"
  signal_kubelet CONT
  check "it is Ready" kubectl wait --for=condition=Ready "node/$NODE" --timeout=120s
  run "kubectl taint nodes $NODE node.kubernetes.io/out-of-service-"
  run "kubectl rollout status statefulset/web --timeout=$READY_TIMEOUT"
  check "what was attached to it is cleared away" within 120 is_clean_of_strangers "$NODE"
  check "its fences end" within 120 no_fences
}

removal_refused() {
  local before
  step "Berth is not removed while volumes are attached"
  before=$(driver_pods)
  start_writing
  run "kubectl get volumeattachments"
  check "kubectl delete says why" refuses "Berth is in use" "kubectl delete -k $MANIFESTS"
  check "however often it is tried" refuses "Berth is in use" "kubectl delete -k $MANIFESTS"
  check "nor may the namespace go" refuses "Berth is in use" "kubectl delete --dry-run=server namespace berth-system"
  check "every pod of Berth is still there" test "$(driver_pods)" = "$before"
  stop_writing
  check "what it wrote is there, in order" wrote_all
  run "kubectl apply -k $MANIFESTS"
}

removed() {
  local devices node
  devices=$(staged_devices n1; staged_devices n2)
  step "without them it is"
  check "the volumes have devices" test -n "$devices"
  check "its programs run" isnt runs_no_program n1
  run "kubectl delete statefulset/web service/nginx --timeout=60s"
  run "kubectl delete pvc -l app=nginx --timeout=60s"
  check "no volume is left" within 60 no_volumes
  check "nor is one in the trash" within 60 trash_is_empty
  run "kubectl delete -k deploy/kubernetes/companion/statefulset --timeout=5m"
  run "kubectl delete -k $MANIFESTS --timeout=5m"
  run "kubectl delete -k deploy/kubernetes/namespace --timeout=5m"
  check "no object of it is left" no_objects
  check "no node offers the driver" within 60 no_csi_node_driver
  for node in n1 n2; do
    check "$node has no mount, device or record of it" is_clean $node
    check "$node runs none of its programs" within 60 runs_no_program $node
  done
  check "the devices are free" no_loop_devices "$devices"
  run "rados -p rbd ls | grep '^berth[.]' | xargs rados -p rbd rm"
  check "the pool has neither an image nor an object of it" pool_is_empty
}

installed_again() {
  step "it is installed again"
  "$E2E_DIR/install.sh" >>"$log" 2>&1 || failed "install Berth"
  run "kubectl -n berth-system logs deployment/berth-controller --tail=50"
  cd "$E2E_DIR" || return
  create_set
  clear_earlier_run
}

wrote_all() {
  local count
  count=$(sed -n 's/^web-0: \([0-9]*\) writes.*/\1/p' "$writes")
  kubectl exec web-0 -- cat /usr/share/nginx/html/log >"$output"
  # Writers before this one began at 0, too.
  tail -n "$count" "$output" | awk -v count="$count" '$1 != NR - 1 { bad = 1 } END { exit bad || NR != count || NR == 0 }'
}

driver_pods() {
  kubectl -n berth-system get pods -l 'app.kubernetes.io/name in (berth-controller, berth-node, berth-data)' \
    -o jsonpath='{.items[*].metadata.uid}'
}
only_images() {
  [ "$(kubectl -n berth-system get pods -l 'app.kubernetes.io/name in (berth-controller, berth-node, berth-data)' \
    -o jsonpath='{range .items[*]}{.spec.containers[0].image}{"\n"}{end}' | sort -u)" = "$1" ]
}

clients() { kubectl berth holders -o json | jq -r '.holders[].instances[]' | sort; }
# Two volumes have one each, and none of the given.
only_other_clients() {
  local now
  now=$(clients)
  [ "$(wc -l <<<"$now")" = 2 ] && [ -z "$(comm -12 <(echo "$1") <(echo "$now"))" ]
}
holds_nothing() { kubectl berth holders -o json | jq -e --arg node "$1" 'all(.holders[]; .node != $node)'; }
no_fences() { kubectl berth fences -o json | jq -e '.instances == []'; }

on_node() { "$BERTH_ROOT/dev" lab node "${1#n}" "${@:2}"; }
signal_kubelet() { on_node "$NODE" sh -c "kill -$1 \$(pgrep -x kubelet)"; }
# The devices that the node's stage records name.
staged_devices() { on_node "$1" find $RECORDS -name '*.json' -exec jq -r '.device // empty' {} +; }
records_of() { on_node "$1" find $RECORDS -name '*.json'; }
is_clean() { [ -z "$(records_of "$1")" ] && ! on_node "$1" grep -F $STAGED /proc/mounts; }
# No record of more volumes than the node holds.
is_clean_of_strangers() {
  [ "$(records_of "$1" | wc -l)" = "$(kubectl berth holders -o json | jq --arg node "$1" '[.holders[] | select(.node == $node)] | length')" ]
}
runs_no_program() { ! on_node "$1" pgrep '^berth-(node|data|controller)$'; }
no_loop_devices() {
  local device
  for device in $1; do
    [ -z "$(losetup --list --noheadings --output BACK-FILE "$device")" ] || return 1
  done
}

pool_is_empty() { [ -z "$(rbd ls)" ] && ! rados -p rbd ls | grep '^berth[.]'; }
trash_is_empty() { [ -z "$(rbd trash ls --all)" ]; }

no_objects() {
  [ -z "$(kubectl get namespaces,csidrivers,storageclasses,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings \
    -l app.kubernetes.io/part-of=berth,app.kubernetes.io/component=driver -o name)" ] &&
    ! kubectl get crd statefulsets.berth.storage && ! kubectl get clusterrole berth-statefulset
}
no_csi_node_driver() {
  [ -z "$(kubectl get csinodes -o jsonpath='{.items[*].spec.drivers[?(@.name=="rbd.berth.storage")].name}')" ]
}

isnt() { ! "$@"; }
# refuses TEXT COMMAND: the command fails and says TEXT.
refuses() { ! bash -c "$2" >"$output" 2>&1 && cat "$output" && grep -F "$1" "$output"; }
