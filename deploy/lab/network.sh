# The lab's network: a namespace of its own with a bridge, and a namespace per node. Nothing is made, bound or
# changed in the machine's own network namespace.
# shellcheck shell=bash

network_up() {
  [ -e "$LAB_NETNS" ] && return
  ip netns add "$LAB_ID"
  in_lab ip link set lo up
  in_lab ip link add br0 type bridge
  in_lab ip address add "$LAB_ADDRESS/24" dev br0
  in_lab ip link set br0 up
  in_lab sysctl -qw net.ipv4.ip_forward=1
}

node_netns() { echo "$LAB_ID-n$1"; }

# node_network_up NUMBER: 10.123.0.1<n> on the bridge, pods in 10.244.<n>.0/24, routed, never masqueraded.
node_network_up() {
  local node=$1 netns other
  netns=$(node_netns "$node")
  ip netns add "$netns"
  # A removed namespace takes its devices with it, but some time later.
  in_lab ip link delete "n$node" 2>/dev/null || true
  in_lab ip link add "n$node" type veth peer name eth0 netns "$netns"
  in_lab ip link set "n$node" master br0 up
  in_lab ip route replace "10.244.$node.0/24" via "10.123.0.1$node"
  local in_node=(nsenter --net="/run/netns/$netns" --)
  "${in_node[@]}" ip link set lo up
  "${in_node[@]}" ip address add "10.123.0.1$node/24" dev eth0
  "${in_node[@]}" ip link set eth0 up
  "${in_node[@]}" ip route add default via "$LAB_ADDRESS"
  "${in_node[@]}" sysctl -qw net.ipv4.ip_forward=1
  for other in "${LAB_NODES[@]}"; do
    [ "$other" = "$node" ] || "${in_node[@]}" ip route add "10.244.$other.0/24" via "10.123.0.1$other"
  done
}

# netns_down NETNS: ends what runs in it, and removes it with the devices that it holds.
netns_down() {
  end_processes_in "$1"
  [ ! -e "/run/netns/$1" ] || ip netns delete "$1"
}
