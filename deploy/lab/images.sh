# The images that the lab itself needs, made from Debian's packages and kept in the cache: pause, busybox (a
# shell, with an nslookup of its own) and nginx (the real one, with curl).
# shellcheck shell=bash

source "$BERTH_ROOT/deploy/image/root_filesystem.sh"

# lab_images: they are in LAB/images afterwards, one archive each.
lab_images() {
  local inputs=("$BERTH_ROOT"/deploy/image/root_filesystem.sh "$BERTH_ROOT"/deploy/image/oci_archive.py
    "$BERTH_ROOT"/deploy/lab/{images.sh,pause.c,nslookup.c} /var/lib/dpkg/status)
  local cache
  cache=$BERTH_CACHE/images-$(cat "${inputs[@]}" | sha256sum | cut -c1-12)
  [ -d "$cache" ] || make_lab_images "$cache"
  mkdir -p "$LAB/images"
  cp "$cache"/*.tar "$LAB/images"
}

make_lab_images() {
  local staging image
  say "making the lab's images: pause, busybox, nginx"
  staging=$(mktemp -d "$BERTH_CACHE/images.XXXXXX")
  for image in pause busybox nginx; do
    make_image "$staging/$image.tar" $image "$("${image}_name")"
  done
  mv -T "$staging" "$1"
}

# make_image ARCHIVE KIND NAME: of what KIND_root puts into a directory and KIND_configuration prints.
make_image() {
  local root
  root=$(mktemp -d "$BERTH_CACHE/root.XXXXXX")
  "$2_root" "$root"
  /usr/bin/python3 "$BERTH_ROOT/deploy/image/oci_archive.py" "$1" "$3" "$("$2_configuration")" "$root"
  rm -rf "$root"
}

pause_name() { echo docker.io/berth/lab-pause:debian12; }
pause_root() {
  mkdir -p "$1"
  gcc -Os -static -s -o "$1/pause" "$BERTH_ROOT/deploy/lab/pause.c"
}
pause_configuration() { echo '{"Entrypoint": ["/pause"]}'; }

busybox_name() { echo docker.io/library/busybox:latest; } # what a person calls busybox; see registry.sh
busybox_root() {
  local applet
  make_root "$1"
  add_program "$1" "$(command -v busybox)" /usr/bin/busybox
  for applet in $(busybox --list); do
    [ -e "$1/usr/bin/$applet" ] || ln -s busybox "$1/usr/bin/$applet"
  done
  # busybox's sh runs its own applets, whatever is in PATH.
  echo "alias nslookup=/usr/bin/nslookup" >"$1/etc/shinit"
  rm "$1/usr/bin/nslookup"
  gcc -Os -s -o "$1/usr/bin/nslookup" "$BERTH_ROOT/deploy/lab/nslookup.c"
  add_libraries "$1" "$1/usr/bin/nslookup"
}
busybox_configuration() { echo '{"Cmd": ["sh"], "Env": ["PATH=/usr/bin:/usr/sbin", "ENV=/etc/shinit"]}'; }

nginx_name() { echo docker.io/berth/lab-nginx:debian12; }
nginx_root() {
  local nginx=$UNPACKED_ROOT/usr/sbin/nginx
  busybox_root "$1"
  rm -f "$1/usr/bin/curl"
  add_program "$1" "$nginx" /usr/sbin/nginx
  add_program "$1" /usr/bin/curl
  add_libraries "$1" "$nginx" /usr/bin/curl
  mkdir -p "$1"/{etc/nginx,usr/share/nginx/html,var/lib/nginx,var/log/nginx}
  cat >"$1/etc/nginx/nginx.conf" <<E
user nobody nogroup;
worker_processes 1;
error_log /dev/stderr;
pid /run/nginx.pid;
events { worker_connections 128; }
http {
  access_log off;
  server {
    listen 80;
    root /usr/share/nginx/html;
  }
}
E
}
nginx_configuration() {
  echo '{"Cmd": ["nginx", "-g", "daemon off;"], "Env": ["PATH=/usr/bin:/usr/sbin"], "ExposedPorts": {"80/tcp": {}}}'
}
