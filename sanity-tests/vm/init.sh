#!/bin/busybox sh
# The first process of the virtual machine (vm.sh): makes the root of the host's files and a layer of memory, enters
# it, runs /state/command there, and powers off.
# shellcheck shell=dash
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do modprobe "$module" || echo "no module $module"; done </modules

ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0 # QEMU's own network; it reaches what the host reaches
ip route add default via 10.0.2.2

mkdir /host /layer
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro root /host
mount -t tmpfs -o mode=755 layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /root
mkdir -p /root/state
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 state /root/state
mount -t proc proc /root/proc
mount -t sysfs sysfs /root/sys
mount -t devtmpfs devtmpfs /root/dev
for directory in dev/shm run tmp; do
  mkdir -p "/root/$directory"
  mount -t tmpfs -o mode=1777 tmpfs "/root/$directory"
done
ln -s /proc/self/fd /root/dev/fd

echo "booted in $(cut -d' ' -f1 /proc/uptime) s"
PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/tmp chroot /root /bin/bash /state/command
echo $? >/root/state/exit
sync -d /root/state 2>/dev/null
poweroff -f
