#!/usr/bin/python3
"""check_skips.py ALLOWED REPORT: every test that csi-sanity skipped must be explained in ALLOWED.

ALLOWED has lines `<part of the test's name> | <reason>`. Prints what ran; fails on a skip without a reason, and
on a reason that no test needs any more.
"""
import sys
import xml.etree.ElementTree as ElementTree


def read_allowed(path):
    allowed = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                name, _, reason = line.partition("|")
                allowed[name.strip()] = reason.strip()
    return allowed


def main(allowed_path, report_path):
    allowed = read_allowed(allowed_path)
    used = set()
    unexplained = []
    passed = failed = skipped = 0
    for case in ElementTree.parse(report_path).iter("testcase"):
        name = case.get("name")
        if not name.startswith("[It]"):
            continue
        if case.find("skipped") is not None:
            skipped += 1
            matching = [part for part in allowed if part in name]
            used.update(matching)
            if not matching:
                unexplained.append(f"{name}: {case.find('skipped').get('message')}")
        elif case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        else:
            passed += 1
    for line in unexplained:
        print(f"skipped without a reason in {allowed_path}: {line}", file=sys.stderr)
    for part in sorted(set(allowed) - used):
        print(f"no test is skipped for this line any more: {part}", file=sys.stderr)
    print(f"csi-sanity: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if unexplained or failed or passed == 0 or set(allowed) - used else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
