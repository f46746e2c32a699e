#!/usr/bin/env bash
# Makes Berth's container image from what ./dev build built: build/image/berth.tar, an OCI archive. Needs neither
# a registry nor a container engine; Containerfile makes the same with one. Does nothing when nothing changed.
set -euo pipefail
image_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$image_dir/../dev/environment.sh"

out=$BERTH_ROOT/build/image
name=docker.io/berth/berth:dev

# dpkg's record stands for the libraries: it changes with every package that changes.
input=$(cat "$image_dir"/*.sh "$image_dir"/*.py "$BERTH_BUILD"/bin/berth* /var/lib/dpkg/status | sha256sum)
[ "$(cat "$out/input" 2>/dev/null)" != "$input" ] || exit 0

mkdir -p "$out"
rm -f "$out/input"
"$image_dir/berth_root.sh" "$BERTH_BUILD/bin" "$out/root"
/usr/bin/python3 "$image_dir/oci_archive.py" "$out/berth.tar" $name '{"Env": ["PATH=/usr/bin:/usr/sbin"]}' \
  "$out/root/libraries" "$out/root/programs"
size_mb() { du -sm "$out/root/$1" | cut -f1; }
say "made image $name: libraries $(size_mb libraries) MB, programs $(size_mb programs) MB"
echo "$input" >"$out/input"
