# The main job, step by step: what ./dev demo shows and the end-to-end test checks. The script that sources this
# defines how it is told:
#   step TITLE           a new step begins
#   run COMMAND          runs one line of shell as a person would type it; what it prints is in $output, too
#   check WHAT COMMAND   the step's claim: COMMAND succeeds, or the flow ends here
# shellcheck shell=bash

E2E_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
READY_TIMEOUT=120s
output=$E2E_DIR/../../build/e2e-output.log

flow() {
  clear_earlier_run
  cd "$E2E_DIR" || return
  create_set
  look_names_up
  write_data
  delete_pods
  move_pod
  restart_node_service
  static_volume
  stop_writing
}

# Whatever an earlier run left, also one that was interrupted.
clear_earlier_run() {
  step "clear what an earlier run left"
  kubectl uncordon n1 n2 >/dev/null
  kubectl delete --ignore-not-found --timeout=60s -f "$E2E_DIR/statefulset_withpvc.yaml" -f "$E2E_DIR/static_volume.yaml" >/dev/null
  kubectl delete --ignore-not-found --timeout=60s pod/dns-test service/nginx-virtual >/dev/null
  kubectl delete --ignore-not-found --timeout=60s statefulsets.berth.storage/web >/dev/null
  kubectl delete --ignore-not-found --timeout=60s -f "$E2E_DIR/statefulset_beside.yaml" >/dev/null
  kubectl delete pvc -l 'app in (nginx, ahead)' --timeout=60s >/dev/null
  check "no volume is left" within 60 no_volumes
  if rbd info by-hand >/dev/null 2>&1; then rbd rm --no-progress by-hand; fi
}

create_set() {
  step "a StatefulSet with a claim per pod"
  run "kubectl create -f statefulset_withpvc.yaml"
  run "kubectl rollout status statefulset/web --timeout=$READY_TIMEOUT"
  run "kubectl get pvc -l app=nginx ; kubectl get pv"
  check "both claims are Bound" test "$(claims_bound)" = "Bound Bound"
  check "each volume is an image that 'rbd info' finds" images_exist
  check "web-1 started when web-0 was Ready" started_in_order
}

look_names_up() {
  step "names: of a pod, of a headless Service's pods, of a normal Service"
  look_up web-0.nginx
  check "it is web-0's address" found "$(pod_ip web-0)"
  look_up nginx
  check "these are the pods' addresses" found "$(pod_ip web-0)" "$(pod_ip web-1)"
  run "kubectl expose service nginx --name=nginx-virtual"
  look_up nginx-virtual
  check "it is the Service's virtual address" found "$(kubectl get service nginx-virtual -o jsonpath='{.spec.clusterIP}')"
}

write_data() {
  step "each pod writes its own name"
  # shellcheck disable=SC2016 # for the shell that runs it
  run 'for i in 0 1; do kubectl exec web-$i -- sh -c '\''echo hello $(hostname) > /usr/share/nginx/html/index.html'\''; done'
  check "web-0 serves it" serves web-0 "hello web-0"
  check "web-1 serves it" serves web-1 "hello web-1"
}

delete_pods() {
  local before
  step "both pods are deleted, and find their data again"
  before=$(pod_uids)
  run "kubectl delete pod -l app=nginx"
  run "kubectl rollout status statefulset/web --timeout=$READY_TIMEOUT"
  check "both pods are new, and Ready" within 60 new_pods "$before"
  check "web-1 started when web-0 was Ready" started_in_order
  run "kubectl exec web-0 -- cat /usr/share/nginx/html/index.html"
  check "web-0 has its own data" has_data web-0
  check "web-1 has its own data" has_data web-1
}

move_pod() {
  local before old_address new_address
  step "web-0 moves to the other node, finds its data there, and is found"
  before=$(pod_node web-0)
  old_address=$(pod_ip web-0)
  look_up web-0.nginx
  check "it is web-0's address on $before" found "$old_address"
  run "kubectl cordon $before ; kubectl delete pod web-0"
  run "kubectl rollout status statefulset/web --timeout=$READY_TIMEOUT"
  run "kubectl get pods -o wide"
  run "kubectl uncordon $before"
  check "web-0 is Ready on the other node" within 60 runs_elsewhere "$before"
  run "kubectl exec web-0 -- curl -s localhost"
  check "nginx serves web-0's own data" serves web-0 "hello web-0"
  new_address=$(pod_ip web-0)
  look_up web-0.nginx
  check "the same name, another address: $old_address before, $new_address now" \
    test "$(found_addresses)" = "$new_address" -a "$new_address" != "$old_address"
  run "kubectl exec web-1 -- curl -s web-0.nginx"
  check "web-1 reaches web-0 by its name" test "$(cat "$output")" = "hello web-0"
}

restart_node_service() {
  local node
  step "berth-node is deleted while web-0 writes"
  node=$(pod_node web-0)
  start_writing
  run "kubectl -n berth-system delete pod -l app.kubernetes.io/name=berth-node --field-selector spec.nodeName=$node"
  run "kubectl -n berth-system rollout status daemonset/berth-node --timeout=$READY_TIMEOUT"
}

# web-0 writes one number after the other, and syncs each, until the file /tmp/stop is there.
start_writing() {
  writes=$E2E_DIR/../../build/web-0-writes.log
  # shellcheck disable=SC2016 # for the pod's shell
  kubectl exec web-0 -- sh -c '
    count=0; slowest_cs=0; rm -f /tmp/stop
    until [ -e /tmp/stop ]; do
      read -r before _ </proc/uptime
      echo $count | dd of=/usr/share/nginx/html/log oflag=append conv=notrunc,fsync 2>/tmp/error ||
        { echo "write $count failed: $(cat /tmp/error)"; exit 1; }
      read -r after _ </proc/uptime
      took_cs=$((${after%.*}${after#*.} - ${before%.*}${before#*.}))
      [ $took_cs -le $slowest_cs ] || slowest_cs=$took_cs
      count=$((count + 1))
    done
    echo "web-0: $count writes, each synced, no error; the slowest took ${slowest_cs}0 ms"' >"$writes" 2>&1 &
  writer=$!
}

stop_writing() {
  step "web-0 wrote all the time"
  run "kubectl exec web-0 -- touch /tmp/stop"
  check "it saw no error" wait "$writer"
  run "cat $writes"
}

static_volume() {
  local node
  node=$(pod_node web-0)
  step "an image made by hand, mounted by the new berth-node of $node"
  run "rbd create --size 64M rbd/by-hand"
  run "kubectl create -f static_volume.yaml"
  run "kubectl wait --for=condition=Ready pod/by-hand --timeout=$READY_TIMEOUT"
  run "kubectl exec by-hand -- sh -c 'echo made by hand > /data/note; cat /data/note; df -h /data'"
  check "it keeps what was written" test "$(kubectl exec by-hand -- cat /data/note)" = "made by hand"
  run "kubectl delete -f static_volume.yaml"
  check "the image is still there: Berth deletes only what it made" rbd info by-hand
}

# look_up NAME: from a pod of its own, as a person does. What so short a command prints before kubectl looks, kubectl
# does not show; then it runs again.
look_up() {
  local tries
  for tries in 1 2 3 4 5; do
    # kubectl may come too late to attach to so short a command, and says so by its exit code; the answer decides.
    run "kubectl run -i --tty --image busybox dns-test --restart=Never --rm -- nslookup $1 || true"
    [ -z "$(found_addresses)" ] || return 0
    printf '  kubectl saw no answer, try %d\n' "$tries"
    kubectl delete --ignore-not-found --timeout=60s pod/dns-test >/dev/null
  done
}
# found ADDRESS...: the last command printed exactly these as its answer.
found() { [ "$(found_addresses)" = "$(printf '%s\n' "$@" | sort)" ]; }
# A terminal's lines end with a carriage return, what stands before the name is the server, and kubectl shows all of it
# twice when the pod ended before it could attach.
found_addresses() {
  tr -d '\r' <"$output" | sed -n '/^Name:/,/^[^AN]/ s/^Address [0-9]*: \([^ ]*\).*/\1/p' | sort -u
}

# within SECONDS COMMAND...: until it succeeds.
within() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.2
  done
}

no_volumes() { [ -z "$(kubectl get pv -o name)" ]; }
claims_bound() { kubectl get pvc -l app=nginx -o jsonpath='{.items[*].status.phase}'; }
pod_uids() { kubectl get pods -l app=nginx -o jsonpath='{.items[*].metadata.uid}'; }
pod_ip() { kubectl get pod "$1" -o jsonpath='{.status.podIP}'; }
pod_node() { kubectl get pod "$1" -o jsonpath='{.spec.nodeName}'; }
runs_elsewhere() {
  [ "$(pod_node web-0)" != "$1" ] && kubectl wait --for=condition=Ready pod/web-0 --timeout=1s
}
has_data() { [ "$(kubectl exec "$1" -- cat /usr/share/nginx/html/index.html)" = "hello $1" ]; }
serves() { [ "$(kubectl exec "$1" -- curl -s localhost)" = "$2" ]; }

# A handle is <cluster>/<pool>/<image>: what follows the first slash is what rbd takes.
images_exist() {
  local handle handles
  handles=$(kubectl get pv -o jsonpath='{.items[*].spec.csi.volumeHandle}')
  [ -n "$handles" ] || return 1
  for handle in $handles; do rbd info "${handle#*/}" >/dev/null || return 1; done
}

# Two pods are Ready, and neither is one of the given.
new_pods() {
  local uid
  [ "$(kubectl get statefulset web -o jsonpath='{.status.readyReplicas}')" = 2 ] || return 1
  for uid in $(pod_uids); do
    case " $1 " in *" $uid "*) return 1 ;; esac
  done
}

# Both times are RFC 3339 in UTC: their order is the strings'.
started_in_order() {
  local ready created
  ready=$(kubectl get pod web-0 -o jsonpath='{.status.conditions[?(@.type=="Ready")].lastTransitionTime}')
  created=$(kubectl get pod web-1 -o jsonpath='{.metadata.creationTimestamp}')
  [ -n "$ready" ] && [[ ! "$created" < "$ready" ]]
}
