#!/usr/bin/env bash
# run.sh RESULTS: claims in a real Kubernetes, BERTH_BENCH_CLAIMS of them (1000): until all are Bound, the resident
# memory of berth-controller with all of its loops, and until all volumes are gone. The rate is not Berth's alone:
# kube-controller-manager's binder has a limit of its own.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$here/../../../deploy/dev/environment.sh"
: "${KUBECONFIG:?is not set: run this by ./dev bench claims, which brings Kubernetes up}"
results=$1
count=${BERTH_BENCH_CLAIMS:-1000}
IDLE_S=35 # longer than berth-controller's release interval of 30 s

"$here/../../e2e/install.sh" >/dev/null
trap 'kubectl delete namespace bench-claims --ignore-not-found --timeout=600s >/dev/null' EXIT
kubectl create namespace bench-claims >/dev/null

claims() {
  local number
  for ((number = 0; number < count; number++)); do
    printf '{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: claim-%d},
  spec: {storageClassName: berth, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}\n---\n' $number
  done
}

# Programs of pods are ordinary processes of this machine: found by the pod's cgroup.
controller_pid() {
  local uid pid
  uid=$(kubectl -n berth-system get pods -l app.kubernetes.io/name=berth-controller -o 'jsonpath={.items[0].metadata.uid}')
  grep -ls "pod$uid" /proc/[0-9]*/cgroup | cut -d/ -f3 | while read -r pid; do
    if [ "$(basename "$(readlink "/proc/$pid/exe")")" = berth-controller ]; then echo "$pid"; fi
  done
}
resident_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
bound() { kubectl -n bench-claims get pvc -o 'jsonpath={.items[?(@.status.phase=="Bound")].metadata.name}' | wc -w; }
volumes() { kubectl get pv -o 'jsonpath={.items[?(@.spec.claimRef.namespace=="bench-claims")].metadata.name}' | wc -w; }
# until_equal NUMBER COMMAND
until_equal() {
  local deadline=$((SECONDS + 1200))
  until [ "$("$2")" = "$1" ]; do
    [ $SECONDS -lt $deadline ] || die "$2 did not become $1 within 20 minutes, it is $("$2")"
    sleep 0.5
  done
}
since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }'; }

pid=$(controller_pid)
before_kb=$(resident_kb "$pid")
started=$EPOCHREALTIME
claims | kubectl -n bench-claims create --validate=false -f - >/dev/null
until_equal "$count" bound
bound_s=$(since "$started")
busy_kb=$(resident_kb "$pid")
sleep $IDLE_S # what is measured is a controller that has been idle for a while
idle_kb=$(resident_kb "$pid")
started=$EPOCHREALTIME
kubectl -n bench-claims delete pvc --all --wait=false >/dev/null
until_equal 0 volumes
deleted_s=$(since "$started")

jq -n --argjson claims "$count" --argjson bound_s "$bound_s" --argjson deleted_s "$deleted_s" \
  --argjson before_kb "$before_kb" --argjson busy_kb "$busy_kb" --argjson idle_kb "$idle_kb" '$ARGS.named' >"$results/claims.json"
printf '%d claims: all Bound after %s s, all volumes gone %s s after their deletion\n' "$count" "$bound_s" "$deleted_s"
printf 'resident memory of berth-controller: %d MB before, %d MB when all were Bound, %d MB idle with them (at most 40)\n' \
  $((before_kb / 1024)) $((busy_kb / 1024)) $((idle_kb / 1024))
