#!/usr/bin/env bash
# format.sh [--check]: formats the C++ sources and looks over the shell scripts; --check changes nothing and fails when
# something would change.
set -euo pipefail
dev_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in environment packages; do
  # shellcheck source=/dev/null
  source "$dev_dir/$part.sh"
done
ensure_packages build
cd "$BERTH_ROOT"

mapfile -t sources < <(git ls-files --cached --others --exclude-standard '*.cc' '*.h')
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard '*.sh' dev .ci/run)
clang_format=(clang-format -i)
[ "${1:-}" != --check ] || clang_format=(clang-format --dry-run --Werror)
failed=0
[ ${#sources[@]} = 0 ] || printf '%s\0' "${sources[@]}" | xargs -0 -P2 -n20 "${clang_format[@]}" || failed=1
shellcheck --external-sources "${scripts[@]}" || failed=1
exit $failed
