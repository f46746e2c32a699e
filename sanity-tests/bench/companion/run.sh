#!/usr/bin/env bash
# run.sh RESULTS: names beside CoreDNS, and where it is there the ordering of pods beside the built-in controller.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$here/dns.sh" "$1"
if [ -x "$here/statefulset.sh" ]; then "$here/statefulset.sh" "$1"; fi
