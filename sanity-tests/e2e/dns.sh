# The names beyond what the demo shows: every kind of record from inside a pod, and that nobody who asks notices when
# DNS replicas go and come, or the API server is away. Sourced by test.sh, which defines step, run and check; flow.sh
# defines the demo's objects, which record_kinds asks about, too.
# shellcheck shell=bash

DNS_POD=app.kubernetes.io/name=berth-dns
PEER=ready.peers.default.svc.cluster.local # what the asking pod asks for, and nobody takes away
# What the C library calls SERVFAIL, REFUSED or no answer. NXDOMAIN and NODATA have other words.
FAILED="Temporary failure in name resolution"

cluster_dns() {
  step "names of every kind"
  make_dns_objects
  record_kinds
  replica_deleted
  replicas_replaced
  started_without_dns
  remove_dns_objects
}

api_server_outage() {
  step "the API server is away"
  make_dns_objects
  away
  step "the API server is back"
  back
  remove_dns_objects
  # An API server that has just begun forbids everything for a moment; nothing_forbidden would find it in a later run.
  run "kubectl -n berth-system rollout restart deployment/berth-statefulset"
}

make_dns_objects() {
  remove_dns_objects
  run "kubectl create -f dns_objects.yaml"
  run "kubectl wait --for=condition=Ready pod/asker pod/ready-peer --timeout=60s"
  address=$(pod_ip ready-peer)
  check "the asking pod finds a peer" within 30 noted "Address 1: $address"
}

record_kinds() {
  check "pods are told of the search list" \
    grep -qx "search default.svc.cluster.local svc.cluster.local cluster.local" <(in_asker cat /etc/resolv.conf)
  check "a name that the search list completes" in_asker nslookup web-0.nginx
  check "a pod's address has its name" answer_is "$PEER." -x "$address"
  check "a named port has an SRV record for each pod" answer_is \
    "$(printf '%s\n' {80,web-0.nginx.default.svc.cluster.local.} {80,web-1.nginx.default.svc.cluster.local.} | xargs -n2)" \
    _web._tcp.nginx.default.svc.cluster.local SRV
  check "TCP works" answer_is "$address" +tcp "$PEER"
  check "a pod that is ready is in its Service's answer" answer_is "$address" peers.default.svc.cluster.local
  check "one that is not has no name" has_status NXDOMAIN unready.peers.default.svc.cluster.local
  check "unless the Service publishes it" \
    within 30 answer_is "$(pod_ip unready-peer)" unready-peers.default.svc.cluster.local
  check "other names are refused: the lab has no upstream" has_status REFUSED example.org
}

replica_deleted() {
  local pod replica
  step "a DNS replica is deleted while a pod asks"
  forget_answers
  read -r pod replica < <(kubectl -n kube-system get pods -l $DNS_POD \
    -o jsonpath='{.items[0].metadata.name} {.items[0].status.podIP}{"\n"}')
  run "kubectl -n kube-system delete --wait=false pod/$pod"
  check "told to end, it is not ready any more, but answers" within 10 is_lame_duck "$replica"
  run "kubectl -n kube-system wait --for=delete pod/$pod --timeout=60s"
  run "kubectl -n kube-system rollout status deployment/berth-dns --timeout=$READY_TIMEOUT"
  check "each question was answered with the peer's address" within 10 each_answered
}

# The replacement is the variant that serves a stub zone: it answers behind a Service of its own as well.
replicas_replaced() {
  local old
  step "both are replaced while a pod asks"
  forget_answers
  old=$(dns_pods)
  run "kubectl apply -k ../../deploy/kubernetes/companion/stub-zone"
  run "kubectl -n kube-system rollout status deployment/berth-dns --timeout=$READY_TIMEOUT"
  # shellcheck disable=SC2086 # a name each
  check "the old ones are gone" kubectl -n kube-system wait --for=delete $old --timeout=60s
  check "each question was answered with the peer's address" within 10 each_answered
  check "the Service of the stub zone leads to them" \
    answer_is "$address" "@$(stub_zone_address)" "$PEER"
  run "kubectl -n kube-system delete service berth-dns"
  run "kubectl apply -k ../../deploy/lab/companion"
  run "kubectl -n kube-system rollout status deployment/berth-dns --timeout=$READY_TIMEOUT"
}

# DNS cannot be what it needs itself.
started_without_dns() {
  local old
  step "no DNS at all, and it starts again"
  old=$(dns_pods)
  run "kubectl -n kube-system scale deployment/berth-dns --replicas=0"
  # shellcheck disable=SC2086
  check "no replica is left" kubectl -n kube-system wait --for=delete $old --timeout=60s
  forget_answers
  check "now nothing is answered, and the asking pod notes it" within 30 noted "$FAILED"
  run "kubectl -n kube-system scale deployment/berth-dns --replicas=2"
  run "kubectl -n kube-system rollout status deployment/berth-dns --timeout=$READY_TIMEOUT"
  forget_answers
  check "names are back" within 30 noted "Address 1: $address $PEER"
}

away() {
  local replicas restarted
  replicas=$(dns_addresses)
  restarted=$(dns_address_on n1)
  forget_answers
  run "../../dev lab api-server stop"
  check "both replicas still answer" each_replica "$replicas" answers_as "$address"
  check "their metrics say that what they know may be old" within 30 each_replica "$replicas" says_api_fails
  kill_dns_on 1
  check "one that is restarted says that it does not know (SERVFAIL)" within 60 answers_as SERVFAIL "$restarted"
  run "../../dev lab api-server start"
  run "kubectl -n kube-system wait --for=condition=Ready pods -l $DNS_POD --timeout=60s"
  check "in all that time nobody was told that the peer does not exist" never_denied
}

back() {
  run "kubectl run late-peer --image=docker.io/berth/lab-pause:debian12 --labels=app=peers,dns-test=objects --overrides='{\"spec\": {\"hostname\": \"late\", \"subdomain\": \"peers\"}}'"
  run "kubectl wait --for=condition=Ready pod/late-peer --timeout=60s"
  check "a new pod's name appears" within 60 answer_is "$(pod_ip late-peer)" late.peers.default.svc.cluster.local
  check "the metrics are well again" within 90 each_replica "$(dns_addresses)" says_api_is_well
}

# Also those of an earlier run that was interrupted.
remove_dns_objects() {
  kubectl -n kube-system delete --ignore-not-found service/berth-dns >/dev/null
  kubectl delete --ignore-not-found --timeout=60s pods,services -l dns-test=objects >/dev/null
}

in_asker() { kubectl exec asker -- "$@"; }
# Through the virtual address, as from a pod of node n1.
ask() { "$BERTH_ROOT/dev" lab node 1 dig @10.96.0.10 +tries=1 +timeout=2 "$@"; }
# answer_is EXPECTED QUESTION...: the answer's lines, sorted; of an SRV record its port and name.
answer_is() {
  local expected=$1
  shift
  [ "$(ask +short "$@" | awk 'NF == 4 { $0 = $3 " " $4 } { print }' | sort)" = "$expected" ]
}
has_status() { ask "$2" | grep "status: $1,"; }

forget_answers() { in_asker sh -c ': >/tmp/answers'; }
noted() { in_asker grep -q "$1" /tmp/answers; }
# At least a hundred, and all the same: the address, and the name that the address has.
each_answered() {
  local answers count answer
  answers=$(in_asker sort /tmp/answers | uniq -c)
  echo "$answers"
  read -r count answer <<<"$answers"
  [ "$(wc -l <<<"$answers")" = 1 ] && [ "$count" -ge 100 ] &&
    [ "$answer" = "Address 1: $address $PEER" ]
}
never_denied() {
  in_asker sort /tmp/answers | uniq -c
  noted "Address 1: $address" && ! in_asker grep -v -e "^Address 1: $address" -e "$FAILED" /tmp/answers
}

dns_pods() { kubectl -n kube-system get pods -l $DNS_POD -o name; }
dns_addresses() { kubectl -n kube-system get pods -l $DNS_POD -o jsonpath='{.items[*].status.podIP}'; }
dns_address_on() {
  kubectl -n kube-system get pods -l $DNS_POD --field-selector "spec.nodeName=$1" -o jsonpath='{.items[0].status.podIP}'
}
stub_zone_address() { kubectl -n kube-system get service berth-dns -o jsonpath='{.spec.clusterIP}'; }
# What ends at once, not by a signal that it could prepare for.
kill_dns_on() { "$BERTH_ROOT/dev" lab node "$1" pkill -KILL -f '^berth-companion --roles=dns'; }

# each_replica ADDRESSES COMMAND...: for each, with its address as the last word.
each_replica() {
  local replica
  for replica in $1; do "${@:2}" "$replica" || return 1; done
}
# answers_as EXPECTED REPLICA: an address, or a status other than NOERROR. Asked from the lab's network, which routes to
# pods: `kubectl exec` needs the API server.
answers_as() {
  dig "@$2" -p 1053 +tries=1 +timeout=2 "$PEER" | grep -qw "$1"
}
is_lame_duck() {
  [ "$(curl -s --max-time 5 --output /dev/null --write-out '%{http_code}' "http://$1:9153/readyz")" = 503 ] &&
    answers_as "$address" "$1"
}
says_api_fails() { awk '/^berth_dns_api_failing_seconds / { value = $2 } END { exit !(value > 0) }' <(metrics_of "$1"); }
says_api_is_well() { awk '/^berth_dns_api_failing_seconds / { value = $2 } END { exit value != "0" }' <(metrics_of "$1"); }
metrics_of() { curl -sf --max-time 5 "http://$1:9153/metrics"; }
