#!/usr/bin/python3
"""compare.py OPENAPI CRD: holds StatefulSet of berth.storage/v1 against apps/v1, field by field: OPENAPI is what the
API server answers at /openapi/v3/apis/apps/v1, CRD what it stored as our definition, both JSON. Prints every difference
that is not listed here with its reason, and every listed one that is not there."""
import json
import pathlib
import re
import sys

import schema

# (path, what apps/v1 has, what ours has): reason. A path may be a regular expression.
INTENDED = [
    (r"\.metadata\..*", "a field", "nothing", "the API server itself knows an object's own metadata"),
    (r"", "required: ", "required: spec", "apps/v1 refuses a set without a spec, too, in code"),
    (r"\.status\.selector", "nothing", "a field", "scaling by an autoscaler needs it; apps/v1 computes it instead"),
    (r"\.spec\..*\.(requests|limits|divisor|sizeLimit|capacity|allocatedResources)(\{\})?", "quantity", "int-or-string",
     "a size in bytes: a fraction makes no sense"),
]


def facts(field):
    """What is compared of a field."""
    if field is None:
        return ["nothing"]
    return [field.type, "required: " + " ".join(field.required), "merged: " + field.merge]


def differences(theirs, ours):
    """(path, what they have, what we have) for each fact that differs."""
    for path in sorted(theirs.keys() | ours.keys()):
        if path not in theirs or path not in ours:
            yield path, *(("nothing", "a field") if path in ours else ("a field", "nothing"))
            continue
        for a, b in zip(facts(theirs[path]), facts(ours[path])):
            if a != b:
                yield path, a, b


def intended(difference):
    path, theirs, ours = difference
    for number, (pattern, a, b, _) in enumerate(INTENDED):
        if re.fullmatch(pattern, path) and (theirs, ours) == (a, b):
            return number
    return None


def main(openapi_file, crd_file):
    openapi = json.loads(pathlib.Path(openapi_file).read_text(encoding="utf-8"))
    crd = json.loads(pathlib.Path(crd_file).read_text(encoding="utf-8"))
    theirs = dict(schema.paths(schema.of_openapi(openapi, "io.k8s.api.apps.v1.StatefulSet")))
    ours = dict(schema.paths(schema.of_crd(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])))
    met, wrong = set(), 0
    for difference in differences(theirs, ours):
        number = intended(difference)
        met.add(number)
        if number is None:
            wrong += 1
            print("{}: apps/v1 has {}, ours {}".format(*difference), file=sys.stderr)
    for number, (pattern, a, b, reason) in enumerate(INTENDED):
        if number not in met:
            wrong += 1
            print(f"listed but not there: {pattern}: {a} against {b} ({reason})", file=sys.stderr)
    print(f"{len(theirs)} fields of apps/v1 compared, {wrong} differences that are not intended")
    return 1 if wrong or len(theirs) < 1000 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
