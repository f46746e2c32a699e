# etcd and Kubernetes' control plane, in the lab's network namespace.
# shellcheck shell=bash

ETCD_URL=http://127.0.0.1:2379
ALL_CONTROLLERS='*' # all that are on by default

control_plane_up() {
  mkdir -p "$LAB/etcd"
  start_in_lab etcd "$UNPACKED_ROOT/usr/bin/etcd" --data-dir "$LAB/etcd" \
    --listen-client-urls $ETCD_URL --advertise-client-urls $ETCD_URL \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster default=http://127.0.0.1:2380
  api_server_up
  start_controller_manager "$ALL_CONTROLLERS"
  start_in_lab scheduler "$KUBERNETES_BIN/kube-scheduler" --kubeconfig="$PKI/scheduler.kubeconfig" \
    --leader-elect=false --bind-address=127.0.0.1 --cert-dir="$PKI/scheduler-serving"
  kubectl_lab create clusterrolebinding kube-proxy --clusterrole=system:node-proxier \
    --user=system:kube-proxy >/dev/null
}

api_server_up() {
  # InternalIP: cluster DNS does not know the nodes' names, which `kubectl exec` and `logs` would ask for.
  start_in_lab apiserver "$KUBERNETES_BIN/kube-apiserver" --etcd-servers=$ETCD_URL \
    --bind-address=0.0.0.0 --advertise-address="$LAB_ADDRESS" --secure-port=6443 \
    --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
    --client-ca-file="$PKI/ca.crt" \
    --kubelet-client-certificate="$PKI/admin.crt" --kubelet-client-key="$PKI/admin.key" \
    --kubelet-preferred-address-types=InternalIP \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file="$PKI/service-accounts.pub" \
    --service-account-signing-key-file="$PKI/service-accounts.key" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --allow-privileged=true --service-cluster-ip-range=10.96.0.0/16 --feature-gates="$LAB_FEATURE_GATES"
  wait_until 60 "the API server" kubectl_lab get --raw /readyz
  say "the API server is ready"
}

# start_controller_manager CONTROLLERS: which of its controllers run, as its own flag --controllers says it.
start_controller_manager() {
  start_in_lab controller-manager "$KUBERNETES_BIN/kube-controller-manager" --controllers="$1" \
    --kubeconfig="$PKI/controller-manager.kubeconfig" --root-ca-file="$PKI/ca.crt" \
    --service-account-private-key-file="$PKI/service-accounts.key" \
    --use-service-account-credentials=true --leader-elect=false --bind-address=127.0.0.1 \
    --cert-dir="$PKI/controller-manager-serving" --feature-gates="$LAB_FEATURE_GATES"
}

# change_controllers CONTROLLERS: the old controller manager has ended before the new one starts, because nothing is
# elected here.
change_controllers() {
  [ "$(part_state kubernetes)" = ready ] || die "Kubernetes is not up: ./dev lab up"
  stop_processes TERM controller-manager
  start_controller_manager "$1"
  wait_until 30 "the controller manager" in_lab curl --silent --fail --insecure https://127.0.0.1:10257/healthz
  say "the controller manager runs: $1"
}

start_in_lab() {
  local name=$1
  shift
  start_process "$name" nsenter --net="$LAB_NETNS" -- "$@"
}

kubectl_lab() { in_lab "$KUBERNETES_BIN/kubectl" --kubeconfig "$LAB_KUBECONFIG" "$@"; }

kubernetes_up() {
  local node
  set_part_state kubernetes starting
  certificates_up
  # The nodes load their images while the API server starts.
  lab_images
  registry_up
  for node in "${LAB_NODES[@]}"; do node_up "$node"; done
  control_plane_up
  for node in "${LAB_NODES[@]}"; do
    wait_until 60 "node n$node" kubectl_lab wait --for=condition=Ready "node/n$node" --timeout=60s
  done
  wait_until 30 "the default service account" kubectl_lab get serviceaccount default
  set_part_state kubernetes ready
  say "Kubernetes is ready: nodes ${LAB_NODES[*]/#/n}"
}

# Nothing of it is kept, so its programs need no time to end well.
kubernetes_down() {
  nodes_down
  stop_processes KILL scheduler controller-manager apiserver etcd registry
  rm -rf "$LAB/etcd" "$LAB/pki" "$LAB/registry" "$LAB/state/kubernetes"
}

kubernetes_is_running() {
  local name
  for name in registry etcd apiserver controller-manager scheduler "${LAB_NODES[@]/#/node-n}"; do
    is_running "$name" || return 1
  done
}
