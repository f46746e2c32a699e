# What `berth doctor` says of a lab that is well, of one that is not, and what it repairs. Sourced by test.sh, which
# defines step, run and check; flow.sh defines within.
# shellcheck shell=bash

examined() {
  local image
  step "berth doctor"
  remove_examined
  check "what the parts before have left by hand is repaired" within 60 doctor_ends_with 0 --fix --yes
  check "nothing is wrong" within 60 doctor_ends_with 0
  check "it has reached the cluster" doctor_says '.clusters[0] | .cluster == "lab" and .connected'
  check "both nodes are registered" both_nodes_are_registered

  step "somebody renames a volume's image"
  examined_claim | kubectl create -f - >/dev/null
  run "kubectl wait --for=jsonpath={.status.phase}=Bound pvc/examined --timeout=60s"
  image=$(kubectl get pvc examined -o jsonpath='{.spec.volumeName}')
  image=$(kubectl get pv "$image" -o jsonpath='{.spec.csi.volumeHandle}')
  image=${image#lab/}
  run "rbd rename $image $image-mine"
  check "berth doctor ends with 3" doctor_ends_with 3
  check "it says which volume, and what its image is called now" finds "lab/$image" image-missing "${image#*/}-mine"
  check "a repair that it cannot know to be right is not made" doctor_ends_with 3 --fix --yes
  check "the image is where it was put" rbd info "$image-mine"
  run "rbd rename $image-mine $image"
  check "nothing is wrong any more" doctor_ends_with 0
  remove_examined

  step "a node that is gone for good"
  run "rados -p rbd setomapval berth.nodes n/gone '{\"version\":1,\"boot_id\":\"b\",\"program_version\":\"0.1.0\",\"seen_s\":1}'"
  check "it is found" finds "node gone in lab" node-silent gone
  check "a no changes nothing" answered n
  check "it is still found" finds "node gone in lab" node-silent gone
  check "a yes removes its registration" answered y
  check "it is not found any more" doctor_says 'all(.findings[]; .object != "node gone in lab")'
  check "the others are registered" both_nodes_are_registered
}

# In the lab's second cluster, which bad_input.sh describes. Connecting is given up after ten seconds.
names_unreachable() {
  doctor_ends_with 3 && finds unreachable cluster-unreachable "no monitor answered" &&
    doctor_says 'any(.clusters[]; .cluster == "lab" and .connected)'
}

# doctor_ends_with CODE [FLAG...]
doctor_ends_with() {
  local code=0 expected=$1
  shift
  kubectl berth doctor "$@" || code=$?
  [ "$code" = "$expected" ]
}
# Whatever it ends with.
doctor_found() { kubectl berth doctor -o json || [ $? = 3 ]; }
# Beside nodes of suites that used the pool before.
both_nodes_are_registered() { [ "$(rados -p rbd listomapkeys berth.nodes | grep -cx 'n/n[12]')" = 2 ]; }
doctor_says() { doctor_found | jq -e "$1"; }
# finds OBJECT KIND TEXT
finds() {
  doctor_found | jq -e --arg object "$1" --arg kind "$2" --arg text "$3" \
    'any(.findings[]; .object == $object and .kind == $kind and (.problem + .object | contains($text)))'
}
answered() { printf '%s\n' "$1" | kubectl berth doctor --fix; }
examined_claim() {
  cat <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: examined}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 16Mi}}}
YAML
}
remove_examined() {
  kubectl delete --ignore-not-found --timeout=60s pvc/examined >/dev/null
  rados -p rbd rmomapkey berth.nodes n/gone
}
