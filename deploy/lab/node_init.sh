#!/usr/bin/env bash
# The first process of a lab node: makes the node's view of the file system, then runs containerd,
# kubelet and kube-proxy. From nodes.sh: NODE, NODE_DIR, NODE_CGROUP, LAB, KUBERNETES_BIN,
# REGISTRY_HOSTS.
set -euo pipefail

name=n$NODE
log=$LAB/log
socket=/run/containerd/containerd.sock

# own_directory NAME PATH: PATH of the node is NODE_DIR/NAME, with mount propagation among the node's
# own containers and to nobody else.
own_directory() {
  mkdir -p "$NODE_DIR/$1" "$2"
  mount --bind "$NODE_DIR/$1" "$2"
  mount --make-private "$2"
  mount --make-shared "$2"
}

file_system_up() {
  hostname "$name"
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/lock /run/netns /run/berth
  mount --make-rshared /
  own_directory kubelet /var/lib/kubelet
  own_directory pod-logs /var/log/pods
  own_directory container-logs /var/log/containers
  own_directory cni-state /var/lib/cni
  own_directory cni-conf /etc/cni/net.d
  # All nodes of the lab share one kernel; this is what tells their boots apart.
  cp /proc/sys/kernel/random/uuid /run/berth/boot-id
}

containerd_conf() {
  # restrict_oom_score_adj: runc may not lower a score where the machine withholds CAP_SYS_RESOURCE.
  cat <<E
version = 2
root = "$NODE_DIR/containerd"
state = "/run/containerd"
[grpc]
  address = "$socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/berth/lab-pause:debian12"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$REGISTRY_HOSTS"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
E
}

cni_conf() {
  cat <<E
{"cniVersion": "0.4.0", "name": "lab", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.$NODE.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
E
}

kubelet_conf() {
  # failCgroupV1: machines without the single cgroup hierarchy work too. oomScoreAdj, maxOpenFiles: what
  # a machine without CAP_SYS_RESOURCE allows.
  cat <<E
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$socket
cgroupDriver: cgroupfs
cgroupRoot: $NODE_CGROUP
failCgroupV1: false
failSwapOn: false
tlsCertFile: $LAB/pki/$name.crt
tlsPrivateKeyFile: $LAB/pki/$name.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $LAB/pki/ca.crt}}
authorization: {mode: Webhook}
clusterDomain: cluster.local
clusterDNS: [10.96.0.10]
resolvConf: ""
oomScoreAdj: 0
maxOpenFiles: 20000
nodeStatusUpdateFrequency: 5s
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
E
}

containerd_up() {
  containerd_conf >"$NODE_DIR/containerd.toml"
  containerd --config "$NODE_DIR/containerd.toml" >"$log/containerd-$name.log" 2>&1 &
  until ctr -a $socket version >/dev/null 2>&1; do sleep 0.05; done
  local image
  for image in "$LAB"/images/*.tar; do ctr -a $socket -n k8s.io images import "$image"; done
}

kubelet_up() {
  kubelet_conf >"$NODE_DIR/kubelet.yaml"
  "$KUBERNETES_BIN/kubelet" --config="$NODE_DIR/kubelet.yaml" --kubeconfig="$LAB/pki/$name.kubeconfig" \
    --hostname-override="$name" --node-ip="10.123.0.1$NODE" --cert-dir="$NODE_DIR/kubelet-pki" --v=2 \
    >"$log/kubelet-$name.log" 2>&1 &
}

kube_proxy_up() {
  "$KUBERNETES_BIN/kube-proxy" --kubeconfig="$LAB/pki/proxy.kubeconfig" --proxy-mode=nftables \
    --hostname-override="$name" --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 \
    --conntrack-tcp-timeout-close-wait=0 >"$log/kube-proxy-$name.log" 2>&1 &
}

api_server_is_ready() {
  curl -sf --cacert "$LAB/pki/ca.crt" --cert "$LAB/pki/n$NODE.crt" --key "$LAB/pki/n$NODE.key" \
    https://10.123.0.1:6443/readyz >/dev/null 2>&1
}

mkdir -p "$NODE_DIR"
file_system_up
cni_conf >/etc/cni/net.d/10-lab.conflist
containerd_up
until api_server_is_ready; do sleep 0.1; done
kubelet_up
kube_proxy_up
# bash as the first process also reaps what lost its parent.
wait
