# A node is cut off from its volumes while a pod of it writes, and is well again without a person. Sourced by test.sh,
# which defines step, run and check; flow.sh defines the demo's objects.
# shellcheck shell=bash

node_fenced() {
  local node instance
  node=$(pod_node web-0)
  step "the node of web-0 is fenced"
  run "kubectl berth holders"
  check "the volume's holder is $node" holds web-0 "$node"
  instance=$(holder_clients web-0)
  run "kubectl exec web-0 -- sync /usr/share/nginx/html/index.html" # the rest may be lost
  run "kubectl cordon $node"
  run "kubectl berth fence $node --reason 'its power supply burns'"
  check "a write of web-0 is an error, and not silence" write_fails web-0
  run "kubectl berth fences"
  check "the node and its client are listed" fenced "$node" "$instance"

  run "kubectl delete pod web-0"
  run "kubectl rollout status statefulset/web --timeout=$READY_TIMEOUT"
  check "web-0 is Ready on the other node" within 60 runs_elsewhere "$node"
  check "it has its own data" has_data web-0
  check "the client of $node is known to be gone" within 60 not_fenced "$instance"

  step "the node may have volumes again"
  run "kubectl berth unfence $node ; kubectl uncordon $node"
  run "kubectl cordon $(pod_node web-0) ; kubectl delete pod web-0"
  run "kubectl rollout status statefulset/web --timeout=$READY_TIMEOUT"
  run "kubectl uncordon n1 n2"
  check "web-0 is Ready there" test "$(pod_node web-0)" = "$node"
  check "it has its own data" has_data web-0
}

volume_of() {
  local volume
  volume=$(kubectl get pvc "www-$1" -o jsonpath='{.spec.volumeName}')
  kubectl get pv "$volume" -o jsonpath='{.spec.csi.volumeHandle}'
}
holder_of() { kubectl berth holders "$(volume_of "$1")" -o json | jq -r ".holders[0].$2"; }
holder_clients() { holder_of "$1" 'instances | join(",")'; }
holds() { [ "$(holder_of "$1" node) $(holder_of "$1" state)" = "$2 open" ]; }
write_fails() {
  ! kubectl exec "$1" -- sh -c 'dd if=/dev/zero of=/usr/share/nginx/html/more bs=4096 count=1 conv=fsync' &&
    [ "$(pod_node "$1")" != "" ]
}
fenced() {
  kubectl berth fences -o json |
    jq -e --arg node "$1" --arg client "$2" \
      'any(.nodes[]; .node == $node) and any(.instances[]; .instance == $client and .in_force)'
}
not_fenced() {
  kubectl berth fences -o json | jq -e --arg client "$1" 'all(.instances[]; .instance != $client)'
}
