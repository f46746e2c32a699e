# Go itself, and the programs that the tools modules pin.
# shellcheck shell=bash

TOOLS_MODULE=$BERTH_ROOT/deploy/lab/tools
KUBERNETES_MODULE=$TOOLS_MODULE/kubernetes
COREDNS_MODULE=$TOOLS_MODULE/coredns
export GOTOOLCHAIN=local

# ensure_go: afterwards `go` is at least the version that the tools' go.mod asks for.
ensure_go() {
  local wanted own
  wanted=$(awk '$1 == "go" { print $2 }' "$TOOLS_MODULE/go.mod")
  own=$BERTH_CACHE/go-$wanted
  go_is_at_least "$wanted" && return
  [ -x "$own/bin/go" ] || fetch_go "$wanted" "$own"
  PATH=$own/bin:$PATH
}

go_is_at_least() {
  local version
  version=$(go env GOVERSION 2>/dev/null) || return 1
  [ "$(printf '%s\n' "$1" "${version#go}" | sort -V | head -n1)" = "$1" ]
}

# fetch_go VERSION DIR: the toolchain is itself a Go module, so Debian's older Go can download it. A module's
# zip keeps neither execute bits nor nested go.mod files; both are put back as `go` itself does.
fetch_go() {
  local version=$1 dir=$2 module staging
  ensure_packages go
  say "fetching Go $version as a Go module, about half a minute"
  staging=$(mktemp -d "$BERTH_CACHE/go.XXXXXX")
  module=$(cd "$staging" && go mod download -json \
    "golang.org/toolchain@v0.0.1-go$version.linux-$(dpkg --print-architecture)" |
    sed -n 's/^[[:space:]]*"Dir": "\(.*\)",\{0,1\}$/\1/p')
  [ -n "$module" ] || die "Go $version cannot be downloaded"
  cp -r "$module/." "$staging"
  chmod -R u+w "$staging"
  chmod +x "$staging"/bin/* "$staging"/pkg/tool/*/*
  find "$staging" -name _go.mod -execdir mv {} go.mod \;
  mv "$staging" "$dir"
}

# go_programs_dir NAME MODULE: the cache folder of a module's programs, by the versions it pins.
go_programs_dir() {
  echo "$BERTH_CACHE/$1-$(cat "$2/go.mod" "$2/go.sum" | sha256sum | cut -c1-12)"
}

KUBERNETES_BIN=$(go_programs_dir kubernetes "$KUBERNETES_MODULE")
KUBERNETES_E2E_BIN=$(go_programs_dir kubernetes-e2e "$KUBERNETES_MODULE")
CSI_SANITY_BIN=$(go_programs_dir csi-sanity "$TOOLS_MODULE")
COREDNS_BIN=$(go_programs_dir coredns "$COREDNS_MODULE")

ensure_kubernetes() {
  [ -d "$KUBERNETES_BIN" ] && return
  ensure_go
  say "building Kubernetes $(kubernetes_version), 7 to 15 minutes the first time, kept in $KUBERNETES_BIN"
  build_go_programs "$KUBERNETES_MODULE" "$KUBERNETES_BIN" "$(kubernetes_ldflags)" \
    k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kube-proxy,kubelet,kubectl}
}

# ensure_kubernetes_e2e: Kubernetes' own tests (e2e.test), what runs them side by side (ginkgo), and the program of
# the pods in them (agnhost).
ensure_kubernetes_e2e() {
  [ -d "$KUBERNETES_E2E_BIN" ] && return
  ensure_go
  say "building the tests of Kubernetes $(kubernetes_version), 10 to 15 minutes the first time, kept in $KUBERNETES_E2E_BIN"
  build_go_programs "$KUBERNETES_MODULE" "$KUBERNETES_E2E_BIN" "$(kubernetes_ldflags)" \
    k8s.io/kubernetes/test/e2e.test k8s.io/kubernetes/test/images/agnhost github.com/onsi/ginkgo/v2/ginkgo
}

kubernetes_version() { (cd "$KUBERNETES_MODULE" && go list -m -f '{{.Version}}' k8s.io/kubernetes); }

# Without these its programs do not know which version they are.
kubernetes_ldflags() {
  local version minor package flags="-s -w"
  version=$(kubernetes_version)
  minor=$(cut -d. -f2 <<<"$version")
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor"
    flags+=" -X $package.gitTreeState=clean"
  done
  echo "$flags"
}

ensure_csi_sanity() {
  [ -d "$CSI_SANITY_BIN" ] && return
  ensure_go
  say "building csi-sanity, about a minute the first time, kept in $CSI_SANITY_BIN"
  build_go_programs "$TOOLS_MODULE" "$CSI_SANITY_BIN" "-s -w" \
    github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity
}

ensure_coredns() {
  [ -d "$COREDNS_BIN" ] && return
  ensure_go
  say "building CoreDNS, about 4 minutes the first time, kept in $COREDNS_BIN"
  build_go_programs "$COREDNS_MODULE" "$COREDNS_BIN" "-s -w" github.com/coredns/coredns
}

# build_go_programs MODULE DIR LDFLAGS PACKAGE...: DIR appears only when all of them are built. PACKAGE.test is, as
# Go calls it, the program of that package's tests.
build_go_programs() {
  local module=$1 dir=$2 ldflags=$3 staging
  shift 3
  staging=$(mktemp -d "$BERTH_CACHE/build.XXXXXX")
  if ! (cd "$module" && compile_go_programs "$staging/" "$ldflags" "$@") 2> >(show_compiled_packages >&2); then
    rm -rf "$staging"
    die "go build failed in ${module#"$BERTH_ROOT"/}"
  fi
  chmod 755 "$staging"
  mv -T "$staging" "$dir"
}

# compile_go_programs OUT/ LDFLAGS PACKAGE...
compile_go_programs() {
  local flags=(-trimpath -ldflags="$2" -o "$1") package mains=()
  export CGO_ENABLED=0
  for package in "${@:3}"; do
    case $package in
      *.test) go test -c "${flags[@]}" "${package%.test}" || return ;;
      *) mains+=("$package") ;;
    esac
  done
  go build -v "${flags[@]}" "${mains[@]}"
}

# `go build -v` names each package when it is compiled: a count is enough, errors are shown whole.
show_compiled_packages() {
  awk 'NF == 1 { if (++count % 200 == 0) print "          " count " packages compiled"; next } { print }'
}
