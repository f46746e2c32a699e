#!/usr/bin/python3
"""check_page.py PAGE SCRIPTS_DIR: every command that docs/operations.md gives is one that a script there runs, letter for
letter but for quotes and case ($NODE is a variable in both)."""
import pathlib
import re
import sys

COMMAND = re.compile(r"(?:kubectl|ceph|rbd|rados) ")
INLINE = re.compile(r"`([^`\n]+)`")


def plain(text):
    return re.sub(r"[\"'\\]", "", text).lower()


def commands(page):
    """Those in blocks, and those within a line; not the assignments above them, nor names of programs alone."""
    for line in page.splitlines():
        candidates = [line.strip()] if line.startswith("    ") else INLINE.findall(line)
        yield from (text.split("  #")[0].strip() for text in candidates if COMMAND.match(text))


def faults(page, scripts):
    return [command for command in commands(page) if plain(command) not in scripts]


def main(page_path, scripts_dir):
    page = pathlib.Path(page_path).read_text(encoding="utf-8")
    scripts = plain("\n".join(path.read_text(encoding="utf-8") for path in sorted(pathlib.Path(scripts_dir).glob("*.sh"))))
    # A check that finds nothing wrong in a wrong page would be no check.
    assert faults(page.replace("kubectl drain", "kubectl dry"), scripts)
    found = faults(page, scripts)
    for command in found:
        print(f"no test runs: {command}", file=sys.stderr)
    print(f"{len(list(commands(page)))} commands, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
