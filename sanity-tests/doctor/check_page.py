#!/usr/bin/python3
"""check_page.py SOURCES_DIR PAGE: docs/doctor.md has a line for each kind of finding and each remedy that the sources name,
and for no other."""
import pathlib
import re
import sys

# There is no other text of this form in the sources.
WORD = re.compile(r'"([a-z]+(?:-[a-z]+)+)"')
ROW = re.compile(r"^\| (`[^|]*`) \|", re.MULTILINE)


def named(texts):
    return {word for text in texts for word in WORD.findall(text)}


def faults(texts, page):
    there = named(texts)
    written = {word for cell in ROW.findall(page) for word in re.findall(r"`([a-z-]+)`", cell)}
    yield from (f"the page lacks {word}" for word in sorted(there - written))
    yield from (f"nothing in the sources is called {word}" for word in sorted(written - there))


def main(sources_dir, page_path):
    texts = [path.read_text(encoding="utf-8") for path in sorted(pathlib.Path(sources_dir).glob("*.cc"))
             if not path.stem.endswith("_test")]
    page = pathlib.Path(page_path).read_text(encoding="utf-8")
    # A check that finds nothing wrong in a wrong page would be no check.
    assert list(faults(texts, page.replace("`image-missing`", "`image-gone`")))
    found = list(faults(texts, page))
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"{len(named(texts))} names, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
