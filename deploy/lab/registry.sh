# The lab's registry of images, read-only: what a person calls by a short name (`kubectl run --image busybox`) is pulled
# from here. An OCI archive is laid out as the registry protocol asks for it, so a web server does.
# shellcheck shell=bash

REGISTRY_ADDRESS=$LAB_ADDRESS:5000
REGISTRY_HOSTS=$LAB/registry/hosts # containerd's: which registry it asks for which host's images

registry_up() {
  local image=$LAB/registry/library/busybox manifest
  mkdir -p "$image" "$REGISTRY_HOSTS/docker.io"
  tar -C "$image" -xf "$LAB/images/busybox.tar"
  manifest=$(jq --raw-output '.manifests[0].digest' "$image/index.json")
  ln -s "blobs/sha256/${manifest#sha256:}" "$image/latest"
  printf 'server = "http://%s"\n[host."http://%s"]\ncapabilities = ["pull", "resolve"]\n' \
    "$REGISTRY_ADDRESS" "$REGISTRY_ADDRESS" >"$REGISTRY_HOSTS/docker.io/hosts.toml"
  registry_conf >"$LAB/registry/nginx.conf"
  start_in_lab registry "$UNPACKED_ROOT/usr/sbin/nginx" -e /dev/stderr -c "$LAB/registry/nginx.conf"
}

registry_conf() {
  cat <<E
daemon off;
master_process off;
error_log /dev/stderr;
pid $LAB/registry/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path $LAB/registry/tmp;
  proxy_temp_path $LAB/registry/tmp;
  fastcgi_temp_path $LAB/registry/tmp;
  uwsgi_temp_path $LAB/registry/tmp;
  scgi_temp_path $LAB/registry/tmp;
  types {}
  default_type application/vnd.oci.image.manifest.v1+json;
  server {
    listen $REGISTRY_ADDRESS;
    root $LAB/registry;
    location ~ "^/v2/(?<image>.+)/manifests/latest\$" {
      try_files /\$image/latest =404;
    }
    location ~ "^/v2/(?<image>.+)/(manifests|blobs)/sha256:(?<digest>[0-9a-f]+)\$" {
      try_files /\$image/blobs/sha256/\$digest =404;
    }
  }
}
E
}
