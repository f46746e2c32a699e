# The certificates and kubeconfig files of the lab's Kubernetes.
# shellcheck shell=bash

PKI=$LAB/pki

certificates_up() {
  mkdir -p "$PKI"
  chmod 700 "$PKI"
  make_key ca
  openssl req -x509 -new -key "$PKI/ca.key" -subj /CN=berth-lab -days 3650 -out "$PKI/ca.crt" \
    -addext keyUsage=keyCertSign,digitalSignature
  make_key service-accounts
  openssl pkey -in "$PKI/service-accounts.key" -pubout -out "$PKI/service-accounts.pub"

  make_certificate apiserver /CN=kube-apiserver \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:$LAB_ADDRESS,IP:10.96.0.1"
  make_client admin /O=system:masters/CN=admin
  make_client controller-manager /CN=system:kube-controller-manager
  make_client scheduler /CN=system:kube-scheduler
  make_client proxy /CN=system:kube-proxy
  local node
  for node in "${LAB_NODES[@]}"; do
    make_client "n$node" "/O=system:nodes/CN=system:node:n$node" "DNS:n$node,IP:10.123.0.1$node"
  done
}

make_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$PKI/$1.key"; }

# make_certificate NAME SUBJECT [SUBJECT_ALTERNATIVE_NAMES]
make_certificate() {
  local name=$1 extensions=$'keyUsage=digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\n'
  [ -z "${3:-}" ] || extensions+="subjectAltName=$3"
  make_key "$name"
  openssl req -new -key "$PKI/$name.key" -subj "$2" |
    openssl x509 -req -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -days 3650 -out "$PKI/$name.crt" \
      -extfile <(printf '%s\n' "$extensions") 2>/dev/null
}

# make_client NAME SUBJECT [SUBJECT_ALTERNATIVE_NAMES]: a certificate and the kubeconfig that uses it.
make_client() {
  make_certificate "$@"
  cat >"$PKI/$1.kubeconfig" <<E
apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "https://$LAB_ADDRESS:6443", certificate-authority: $PKI/ca.crt}}]
users: [{name: $1, user: {client-certificate: $PKI/$1.crt, client-key: $PKI/$1.key}}]
contexts: [{name: lab, context: {cluster: lab, user: $1}}]
current-context: lab
E
}
