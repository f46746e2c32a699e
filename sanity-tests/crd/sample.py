#!/usr/bin/python3
"""sample.py OPENAPI: a StatefulSet of berth.storage/v1 as JSON in which every field that apps/v1 has is set, but for
the object's own metadata and its status. OPENAPI is what the API server answers at /openapi/v3/apis/apps/v1."""
import json
import pathlib
import sys

import schema

# Where not every value of the type will do.
VALUES = {
    ".spec.podManagementPolicy": "Parallel",
    ".spec.updateStrategy.type": "RollingUpdate",
    ".spec.persistentVolumeClaimRetentionPolicy.whenDeleted": "Delete",
    ".spec.persistentVolumeClaimRetentionPolicy.whenScaled": "Delete",
    ".spec.template.spec.restartPolicy": "Always",
}
BY_TYPE = {
    "string": "text",
    "string/date-time": "2026-01-02T03:04:05Z",
    "integer/int32": 7,
    "integer/int64": 1 << 40,
    "boolean": True,
    "quantity": "1500m",
    "int-or-string": "25%",
    "anything": {"any": {"thing": [1]}},
}


def sample(field, path):
    if path in VALUES:
        return VALUES[path]
    if field.type == "array":
        return [sample(field.inner["[]"], path + "[]")]
    if field.type == "object":
        return {
            "text" if name == "{}" else name: sample(below, path + ("{}" if name == "{}" else "." + name))
            for name, below in field.inner.items()
        }
    return BY_TYPE[field.type]


def main(openapi_file):
    openapi = json.loads(pathlib.Path(openapi_file).read_text(encoding="utf-8"))
    spec = schema.of_openapi(openapi, "io.k8s.api.apps.v1.StatefulSet").inner["spec"]
    made = {"apiVersion": "berth.storage/v1", "kind": "StatefulSet", "metadata": {"name": "everything"}}
    made["spec"] = sample(spec, ".spec")
    print(json.dumps(made))


if __name__ == "__main__":
    main(sys.argv[1])
