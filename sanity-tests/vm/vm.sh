# A virtual machine that boots Debian's kernel over this machine's own files: they are its root, read-only, with a
# layer of memory above, so the programs that were built here run there. QEMU emulates the processor, so it needs
# neither KVM nor a disk image. Sourced after deploy/dev/{environment,packages}.sh.
# shellcheck shell=bash

VM_MODULES=(virtio_pci virtio_net 9p 9pnet_virtio overlay rbd fuse loop ext4 ccm gcm cbc)
VM_MEMORY_MIB=${VM_MEMORY_MIB:-1024}
vm_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# ensure_vm: QEMU is installed, Debian's kernel is unpacked (never installed), and the first file system is made.
ensure_vm() {
  local package
  ensure_packages vm
  package=$(vm_kernel_package)
  [ -e "$UNPACKED_ROOT/.done/$package" ] || unpack_package "$package"
  VM_VERSION=${package#linux-image-}
  VM_KERNEL=$UNPACKED_ROOT/boot/vmlinuz-$VM_VERSION
  VM_INITRAMFS=$BERTH_CACHE/vm-$VM_VERSION-$(sha256sum "${BASH_SOURCE[0]}" "$vm_here/init.sh" | sha256sum | cut -c1-12)
  [ -e "$VM_INITRAMFS" ] || make_initramfs
}

# The kernel that was unpacked last; else the one that Debian's linux-image-amd64 stands for today.
vm_kernel_package() {
  local package
  package=$(cd "$UNPACKED_ROOT/.done" 2>/dev/null && compgen -G 'linux-image-*-amd64' | sort -V | tail -n1) || true
  if [ -z "$package" ]; then
    apt_with_fresh_index "$BERTH_CACHE/apt.log" apt-cache show linux-image-amd64
    package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-\)/\1/p' | head -n1)
  fi
  echo "$package"
}

make_initramfs() {
  local root module line
  root=$(mktemp -d)
  mkdir -p "$root"/{bin,sbin,proc,sys,dev,root,"lib/modules/$VM_VERSION"}
  cp /bin/busybox "$root/bin/busybox"
  ln -s ../bin/busybox "$root/sbin/modprobe" # the kernel itself calls it for algorithms and file systems
  cp "$vm_here/init.sh" "$root/init"
  [ -e "$UNPACKED_ROOT/lib/modules/$VM_VERSION/modules.dep" ] || depmod -b "$UNPACKED_ROOT" "$VM_VERSION"
  cp "$UNPACKED_ROOT/lib/modules/$VM_VERSION"/modules.{dep,alias,symbols,softdep,builtin} "$root/lib/modules/$VM_VERSION/"
  for module in "${VM_MODULES[@]}"; do
    modprobe -d "$UNPACKED_ROOT" -S "$VM_VERSION" --show-depends "$module"
  done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r line; do
    install -D -m 644 "$line" "$root/${line#"$UNPACKED_ROOT"/}"
  done
  printf '%s\n' "${VM_MODULES[@]}" >"$root/modules"
  (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$VM_INITRAMFS.new"
  mv "$VM_INITRAMFS.new" "$VM_INITRAMFS"
  rm -rf "$root"
}

# vm_run STATE COMMAND...: boots, runs the command as root with the variables of $STATE/environment, and powers off;
# returns the command's exit code. STATE is the only directory whose changes stay: /state inside. What the machine
# prints is also in $STATE/console.log. VM_TIMEOUT_S (600) bounds it all.
vm_run() {
  local state=$1
  shift
  rm -f "$state/exit"
  printf '#!/bin/bash\ncd %q\nset -a; . /state/environment; set +a\nexec %s\n' "$PWD" "$(printf '%q ' "$@")" \
    >"$state/command"
  timeout --foreground "${VM_TIMEOUT_S:-600}" qemu-system-x86_64 -accel tcg -machine q35 -cpu max \
    -smp 2 -m "$VM_MEMORY_MIB" -nodefaults -no-user-config -display none -no-reboot -serial stdio \
    -netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
    -virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
    -virtfs "local,path=$state,mount_tag=state,security_model=none" \
    -kernel "$VM_KERNEL" -initrd "$VM_INITRAMFS" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check tsc=reliable random.trust_cpu=on ${VM_APPEND:-}" \
    </dev/null 2>&1 | sed -u 's/\r//g; s/\x1b[^a-zA-Z]*[a-zA-Z]//g' | tee "$state/console.log"
  return "$(cat "$state/exit" 2>/dev/null || echo 125)"
}
