#!/usr/bin/env bash
# run.sh RESULTS: names beside CoreDNS, and the ordering of pods beside Kubernetes' own controller.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$here/dns.sh" "$1"
"$here/statefulset.sh" "$1"
