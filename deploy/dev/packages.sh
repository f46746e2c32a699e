# Debian packages, by the lists in packages/: what is missing is installed, or only unpacked.
# shellcheck shell=bash

PACKAGE_LISTS=$(dirname "${BASH_SOURCE[0]}")/packages
UNPACKED_ROOT=$BERTH_CACHE/debian

# listed_packages LIST...: the names in packages/LIST.list, without comments.
listed_packages() {
  local list
  for list in "$@"; do sed 's/#.*//' "$PACKAGE_LISTS/$list.list"; done | xargs -n1
}

missing_packages() {
  local wanted
  wanted=$(listed_packages "$@" | sort -u)
  comm -23 <(echo "$wanted") \
    <(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' | sed -n 's/^ii *//p' | sort -u)
}

# ensure_packages LIST...: installs what is missing of the lists; services are not started by it.
ensure_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  require_root "installing Debian packages"
  say "installing ${#missing[@]} Debian packages, about a minute: ${missing[*]}"
  with_services_off apt_install "${missing[@]}"
}

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  apt_with_fresh_index "$BERTH_CACHE/apt.log" apt-get install -y -q --no-install-recommends "$@"
}

# apt_with_fresh_index LOG COMMAND...: the machine's package index may be absent or older than what the
# mirror holds, so a failure is tried once more after an update.
apt_with_fresh_index() {
  local log=$1
  shift
  if "$@" >"$log" 2>&1; then return; fi
  if apt-get update -q >"$log" 2>&1 && "$@" >>"$log" 2>&1; then return; fi
  tail -20 "$log" >&2
  die "$1 $2 failed, the whole log is $log"
}

# Debian's packages start their services when they are installed, unless this file forbids it.
with_services_off() {
  local policy=/usr/sbin/policy-rc.d status=0
  if [ -e $policy ]; then "$@"; return; fi
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod +x $policy
  ("$@") || status=$?
  rm -f $policy
  return $status
}

# unpack_packages LIST: unpacks packages below UNPACKED_ROOT without installing them: theirs are
# services that would start with the machine.
unpack_packages() {
  local name
  for name in $(listed_packages "$1"); do
    [ -e "$UNPACKED_ROOT/.done/$name" ] || unpack_package "$name"
  done
}

unpack_package() {
  local name=$1 download=$UNPACKED_ROOT/.download/$1
  say "unpacking Debian's $name"
  rm -rf "$download"
  mkdir -p "$download" "$UNPACKED_ROOT/.done"
  (
    cd "$download" || exit
    apt_with_fresh_index "$BERTH_CACHE/apt.log" apt-get download -q "$name"
    dpkg -x ./*.deb "$UNPACKED_ROOT"
  )
  rm -rf "$download"
  touch "$UNPACKED_ROOT/.done/$name"
}
