#!/usr/bin/python3
"""check_includes.py ROOT: holds the table of docs/ARCHITECTURE.md that says which part may include which."""
import pathlib
import re
import sys

MAY_INCLUDE = {
    "base": {"base"},
    "rbd": {"rbd", "base"},
    "csi": {"csi", "rbd", "base"},
    "kube": {"kube", "base"},
    "provisioner": {"provisioner", "kube", "base"},
    "companion": {"companion", "kube", "base"},
}
INCLUDE = re.compile(r'^\s*#include "([a-z-]+)/', re.MULTILINE)


def wrong_includes(part, text):
    """The parts that `text`, a file of `part`, includes and must not."""
    return sorted(
        other for other in set(INCLUDE.findall(text)) & set(MAY_INCLUDE) if other not in MAY_INCLUDE[part]
    )


def main(root):
    # A check that finds nothing wrong in a wrong file would be no check.
    assert wrong_includes("base", '#include "rbd/rados.h"\n') == ["rbd"]
    assert wrong_includes("csi", '#include "rbd/rados.h"\n#include "kube/client.h"\n') == ["kube"]
    checked = wrong = 0
    for part in MAY_INCLUDE:
        for path in sorted((root / part).rglob("*")):
            if path.suffix not in (".h", ".cc"):
                continue
            checked += 1
            for other in wrong_includes(part, path.read_text(encoding="utf-8")):
                wrong += 1
                print(f"{path.relative_to(root)}: {part} must not include {other}", file=sys.stderr)
    print(f"{checked} files, {wrong} wrong includes")
    return 1 if wrong or not checked else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
