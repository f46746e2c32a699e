#!/usr/bin/env bash
# Every mutant is a patch of the sources as they are: who changes what one of them changes renews it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
failed=0
for mutant in sanity-tests/double-writer/mutants/*.patch; do
  git apply --check "$mutant" || failed=1
done
exit $failed
