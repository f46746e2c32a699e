# The ordering role in the lab: a StatefulSet of berth.storage/v1 from the demo's manifest, and what annotations ask
# for on sets that the built-in controller keeps. Sourced by test.sh, which defines step, run and check; flow.sh and
# dns.sh define the look at pods, claims and names.
# shellcheck shell=bash

BSTS=statefulsets.berth.storage
ORDERING="-n berth-system"
ORDERING_PODS="$ORDERING -l app.kubernetes.io/name=berth-statefulset"
ORDERING_LEASE=berth-companion-statefulset

ordering() {
  own_set
  own_set_keeps_data
  own_set_goes_back
  leader_deleted
  waits_for_names
  remove_own_set
  beside_the_built_in_controller
  step "what the ordering role may do is enough"
  check "nothing was forbidden to it" nothing_forbidden
}

own_set() {
  step "the demo's manifest with one line changed: apiVersion"
  check "both replicas of berth-statefulset run" test "$(ordering_pods | wc -w)" = 2
  run "sed 's|apps/v1|berth.storage/v1|' statefulset_withpvc.yaml | kubectl create -f -"
  run "kubectl wait --for=condition=Available $BSTS/web --timeout=$READY_TIMEOUT"
  run "kubectl get bsts,pods,pvc"
  check "kubectl get bsts shows two of two" prints "web 2 2" kubectl get bsts web --no-headers
  check "Kubernetes' own controller has no set" test -z "$(kubectl get statefulsets.apps -o name)"
  check "both claims are Bound" test "$(claims_bound)" = "Bound Bound"
  check "each volume is an image that 'rbd info' finds" images_exist
  check "web-1 started when web-0 was Ready" started_in_order
}

own_set_keeps_data() {
  local before
  step "web-0 is deleted, and finds its data again"
  before=$(kubectl get pod web-0 -o jsonpath='{.metadata.uid}')
  run "kubectl exec web-0 -- sh -c 'echo hello web-0 > /usr/share/nginx/html/index.html'"
  run "kubectl delete pod web-0"
  run "kubectl berth rollout status sts/web --timeout=$READY_TIMEOUT"
  check "it is another pod, and Ready" within 60 is_new_and_ready web-0 "$before"
  check "it has its own data" has_data web-0
}

own_set_goes_back() {
  step "a new template is rolled out, and taken back"
  run "kubectl patch $BSTS/web --type=merge -p '{\"spec\": {\"template\": {\"metadata\": {\"labels\": {\"try\": \"two\"}}}}}'"
  run "kubectl berth rollout status statefulset/web --timeout=$READY_TIMEOUT"
  check "both pods have the new one" test "$(kubectl get pods -l app=nginx,try=two -o name | wc -l)" = 2
  check "history lists both" test "$(kubectl berth rollout history statefulset/web | grep -c '^[0-9]')" = 2
  run "kubectl berth rollout undo statefulset/web"
  run "kubectl berth rollout status statefulset/web --timeout=$READY_TIMEOUT"
  check "both pods have the old one" test "$(kubectl get pods -l app=nginx,try!=two -o name | wc -l)" = 2
}

leader_deleted() {
  local leader
  leader=$(ordering_leader)
  step "the replica of berth-statefulset that works is deleted"
  check "nothing was forbidden to it" nothing_forbidden
  run "kubectl $ORDERING delete pod $leader --wait=false"
  run "kubectl scale $BSTS/web --replicas=3"
  check "web-2 is made" within 60 kubectl wait --for=condition=Ready pod/web-2 --timeout=1s
  check "by the other replica" test "$(ordering_leader)" != "$leader"
  run "kubectl rollout status $ORDERING deployment/berth-statefulset --timeout=$READY_TIMEOUT"
}

# Without its Service no pod has a name, however Ready it is.
waits_for_names() {
  step "web-3 waits for the names of those before it"
  run "kubectl delete service nginx"
  check "no DNS replica knows them any more" within 30 each_replica "$(dns_addresses)" answers_as NXDOMAIN
  run "kubectl annotate $BSTS/web berth.storage/wait-for-names=true"
  run "kubectl scale $BSTS/web --replicas=4"
  check "the set says what it waits for" within 30 progress_says \
    "waiting for the name of web-0 to be served by every DNS replica"
  check "web-3 is not there" test -z "$(kubectl get pod web-3 --ignore-not-found -o name)"
  run "kubectl create --selector=app=nginx -f statefulset_withpvc.yaml"
  check "with their Service it comes" within 60 kubectl wait --for=condition=Ready pod/web-3 --timeout=1s
}

remove_own_set() {
  step "the set is deleted, its claims stay"
  run "kubectl delete $BSTS/web service/nginx --timeout=60s"
  check "its pods go with it" kubectl wait --for=delete pod -l app=nginx --timeout=60s
  check "all four claims are still Bound" test "$(claims_bound)" = "Bound Bound Bound Bound"
  run "kubectl delete pvc -l app=nginx --timeout=60s"
}

beside_the_built_in_controller() {
  step "sets of apps/v1, which the built-in controller keeps"
  run "kubectl create -f statefulset_beside.yaml"
  check "claims are made ahead of pods that cannot start yet" within 60 \
    kubectl wait --for=jsonpath='{.status.phase}'=Bound pvc/www-ahead-{0,1,2} --timeout=1s
  check "its only pod is the built-in controller's" \
    test "$(kubectl get pods -l app=ahead -o name)" = pod/ahead-0
  run "kubectl rollout status statefulset/turns --timeout=$READY_TIMEOUT"
  check "pods that were made at once start in their turns" in_turns
  run "kubectl delete -f statefulset_beside.yaml --timeout=60s"
  run "kubectl delete pvc -l app=ahead --timeout=60s"
  check "no volume is left" within 60 no_volumes
}

ordering_pods() {
  # shellcheck disable=SC2086 # options
  kubectl get pods $ORDERING_PODS -o jsonpath='{.items[?(@.status.containerStatuses[0].ready==true)].metadata.name}'
}
ordering_leader() {
  # shellcheck disable=SC2086
  kubectl $ORDERING get lease $ORDERING_LEASE -o jsonpath='{.spec.holderIdentity}'
}
# The logs are there, and none of their lines says so.
nothing_forbidden() {
  local logs
  # shellcheck disable=SC2086
  logs=$(kubectl logs $ORDERING_PODS --prefix --tail=-1)
  grep -q leading <<<"$logs" && ! grep -i forbidden <<<"$logs"
}
progress_says() {
  kubectl get $BSTS/web -o jsonpath='{.status.conditions[?(@.type=="Progressing")].message}' | grep -F "$1"
}
# prints WORDS COMMAND...: the line that the command prints begins with these words.
prints() { [[ $("${@:2}" | xargs) == "$1 "* ]]; }
is_new_and_ready() {
  [ "$(kubectl get pod "$1" -o jsonpath='{.metadata.uid}')" != "$2" ] &&
    kubectl wait --for=condition=Ready "pod/$1" --timeout=1s
}
condition_time() {
  kubectl get pod "$1" -o jsonpath="{.status.conditions[?(@.type==\"$2\")].lastTransitionTime}"
}
# Created together, yet each is scheduled only when the one before it is Ready.
in_turns() {
  local number ready scheduled
  for number in 1 2; do
    ready=$(condition_time "turns-$((number - 1))" Ready)
    scheduled=$(condition_time "turns-$number" PodScheduled)
    echo "turns-$((number - 1)) Ready at $ready, turns-$number scheduled at $scheduled"
    [ -n "$ready" ] && [[ ! "$scheduled" < "$ready" ]] || return 1
  done
}
