#!/usr/bin/env bash
# berth_root.sh PROGRAMS_DIR OUT_DIR: the root file system of Berth's image in two folders, OUT_DIR/libraries and
# OUT_DIR/programs: a rebuild of Berth changes only the second, small one.
set -euo pipefail
programs_dir=$1
out=$2
# shellcheck source=deploy/image/root_filesystem.sh
source "$(dirname "${BASH_SOURCE[0]}")/root_filesystem.sh"

programs=(berth-companion berth-controller berth-node berth-data berth)
file_system_tools=(/usr/sbin/mkfs.ext4 /usr/sbin/e2fsck /usr/sbin/resize2fs)

built=()
for name in "${programs[@]}"; do
  [ ! -x "$programs_dir/$name" ] || built+=("$programs_dir/$name")
done
[ ${#built[@]} -gt 0 ] || { echo "error: none of ${programs[*]} is in $programs_dir: ./dev build" >&2; exit 1; }

rm -rf "$out"
make_root "$out/libraries"
mkdir -p "$out/libraries"/{etc/berth/clusters,run/berth,var/lib/kubelet}
for tool in "${file_system_tools[@]}"; do add_program "$out/libraries" "$(realpath "$tool")" "$tool"; done
add_file "$out/libraries" /etc/mke2fs.conf
add_libraries "$out/libraries" "${file_system_tools[@]}" "${built[@]}"
for program in "${built[@]}"; do
  add_program "$out/programs" "$program" "/usr/bin/$(basename "$program")"
done
if [ -e "$out/programs/usr/bin/berth" ]; then ln -s berth "$out/programs/usr/bin/kubectl-berth"; fi
