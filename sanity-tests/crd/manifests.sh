# What test.sh applies, as text. Sourced by it.
# shellcheck shell=bash

# tutorial_set APIVERSION: the tutorial's manifest with that one line changed.
tutorial_set() {
  sed "s|^apiVersion: apps/v1$|apiVersion: $1|" "$ROOT/sanity-tests/e2e/statefulset_withpvc.yaml"
}

# sidecar NAME CPU: a second owner's part of the set web, one more container.
sidecar() {
  cat <<E
apiVersion: berth.storage/v1
kind: StatefulSet
metadata: {name: web}
spec:
  template:
    spec:
      containers:
        - name: $1
          image: docker.io/library/busybox
          resources: {limits: {cpu: $2}}
E
}

# small_set NAME TEMPLATE_LABEL CPU: a set whose selector wants the label app=small. Its empty fields are what charts
# write when a value is not given.
small_set() {
  cat <<E
apiVersion: berth.storage/v1
kind: StatefulSet
metadata: {name: $1}
spec:
  selector: {matchLabels: {app: small}}
  template:
    metadata:
      labels: {app: $2}
      annotations:
    spec:
      affinity:
      nodeSelector:
      containers:
        - name: main
          image: docker.io/library/busybox
          env:
          resources: {requests: {cpu: $3}}
E
}
