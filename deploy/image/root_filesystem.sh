# Assembles a container's root file system from the files of a Debian machine: only the programs that are
# named, and the libraries that these load.
# shellcheck shell=bash

# make_root DIR: an empty root file system.
make_root() {
  local root=$1 name
  mkdir -p "$root"/{dev,etc,proc,root,run,sys,tmp,usr/bin,usr/sbin,usr/lib,usr/lib64,var/lib,var/log}
  chmod 1777 "$root/tmp"
  for name in bin sbin lib lib64; do ln -sfn "usr/$name" "$root/$name"; done
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
}

# add_program ROOT FILE [PATH]: at PATH (default: where it is on this machine), without debug information.
add_program() {
  local root=$1 file=$2 path=${3:-$2}
  install -D -m 755 "$file" "$root$path"
  strip --strip-unneeded "$root$path"
}

# add_libraries ROOT FILE...: all shared libraries that the files load, the loader among them.
add_libraries() {
  local root=$1 library path
  shift
  for library in $(ldd "$@" 2>/dev/null | sed -n 's/^\t.*=> \(\/[^ ]*\) .*/\1/p; s/^\t\(\/[^ ]*\) .*/\1/p' | sort -u); do
    path=$(realpath "$(dirname "$library")")/$(basename "$library")
    [ -e "$root$path" ] || install -D -m 755 "$library" "$root$path"
  done
}

# add_file ROOT FILE: where it is on this machine, mode and all.
add_file() { mkdir -p "$1$(dirname "$2")" && cp --dereference --preserve=mode "$2" "$1$2"; }
