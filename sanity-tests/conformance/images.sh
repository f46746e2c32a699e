# The images that Kubernetes' own StatefulSet specs ask for, under the names they ask for, made from Debian's busybox
# and a Go module and kept in the cache. They have what the specs use, not all that the originals hold.
# shellcheck shell=bash

# shellcheck source=deploy/lab/images.sh
source "$BERTH_ROOT/deploy/lab/images.sh"

# conformance_images: prints the directory that holds them, one archive each.
conformance_images() {
  local inputs=("$BERTH_ROOT"/deploy/image/{root_filesystem.sh,oci_archive.py} "$BERTH_ROOT"/deploy/lab/{images.sh,pause.c,nslookup.c}
    "$BERTH_ROOT"/sanity-tests/conformance/images.sh /var/lib/dpkg/status)
  local cache
  cache=$BERTH_CACHE/conformance-images-$({ cat "${inputs[@]}"; echo "$KUBERNETES_E2E_BIN"; } | sha256sum | cut -c1-12)
  [ -d "$cache" ] || make_conformance_images "$cache"
  echo "$cache"
}

make_conformance_images() {
  local staging name kind
  staging=$(mktemp -d "$BERTH_CACHE/images.XXXXXX")
  while read -r name; do
    say "making the image $name"
    kind=$(basename "${name%:*}")
    make_image "$staging/$kind-${name##*:}.tar" "$kind" "$name"
  done < <(wanted_images)
  mv -T "$staging" "$1"
}

# agnhost comes in two versions, which are the old and the new image of the specs' rolling updates.
wanted_images() {
  "$KUBERNETES_E2E_BIN/e2e.test" --list-images | grep -E '/e2e-test-images/(agnhost|busybox):|/pause:'
}

# The specs' readiness probes ask its web server for /localhost.crt, and a pod becomes unready by moving that away.
agnhost_root() {
  busybox_root "$1"
  add_program "$1" "$KUBERNETES_E2E_BIN/agnhost" /agnhost
  echo "only its being here counts" >"$1/localhost.crt"
}
agnhost_configuration() {
  echo '{"Entrypoint": ["/agnhost"], "Cmd": ["pause"], "Env": ["PATH=/usr/bin:/usr/sbin"]}'
}
