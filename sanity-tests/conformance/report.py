#!/usr/bin/python3
"""report.py NOT_RUN FOCUS REPORT: which StatefulSet specs ran, how they ended, and why others did not.

NOT_RUN has lines `<part of a spec's name> | <reason>`, FOCUS is empty or what narrowed the choice, REPORT is Ginkgo's
JSON. Fails when a spec failed, when none passed, and when one did not run without a reason: a lab without a default
StorageClass, where specs skip themselves, must not look like success.
"""
import json
import sys

SUBJECT = "[sig-apps] StatefulSet"


def read_reasons(path):
    with open(path, encoding="utf-8") as lines:
        pairs = [line.partition("|") for line in lines if line.strip() and not line.startswith("#")]
    return {part.strip(): reason.strip() for part, _, reason in pairs}


def full_name(spec):
    return " ".join((spec["ContainerHierarchyTexts"] or []) + [spec["LeafNodeText"]])


def all_specs(report_path):
    with open(report_path, encoding="utf-8") as file:
        return [spec for suite in json.load(file) for spec in suite["SpecReports"] or []]


def first_line(spec):
    return spec.get("Failure", {}).get("Message", "").strip().split("\n")[0]


def print_specs(title, specs):
    if specs:
        print(f"\n{title}")
    for name, remark in sorted(specs):
        print(f"  {name.removeprefix(SUBJECT).strip()}{remark}")


def main(not_run_path, focus, report_path):
    reasons = read_reasons(not_run_path)
    unused = set(reasons)
    passed = out_of_focus = 0
    failed, not_run, unexplained = [], [], []
    for spec in all_specs(report_path):
        name = full_name(spec)
        if spec["State"] not in ("passed", "skipped", "pending"):
            # What is done around the specs, too: without BeforeSuite none runs.
            failed.append((name or spec["LeafNodeType"], f": {spec['State']}: {first_line(spec)}"))
        elif spec["LeafNodeType"] != "It" or not name.startswith(SUBJECT):
            continue
        elif spec["State"] == "passed":
            passed += 1
        elif matching := [part for part in reasons if part in name]:
            unused.difference_update(matching)
            not_run.append((name, reasons[matching[0]]))
        elif focus and not first_line(spec):
            out_of_focus += 1
        else:
            unexplained.append((name, f": {first_line(spec) or 'it was not chosen'}"))

    for reason in sorted({reason for _, reason in not_run}):
        print_specs(f"not run: {reason}", [(name, "") for name, why in not_run if why == reason])
    print_specs(f"NOT RUN, without a reason in {not_run_path}", unexplained)
    print_specs("FAILED", failed)
    for part in sorted(unused):
        print(f"no spec needs this line of {not_run_path} any more: {part}")
    did_not = len(not_run) + len(unexplained)
    print(f"\n{passed + len(failed)} specs ran, {did_not} did not, {out_of_focus} more are not in --focus")
    print(f"conformance: {passed} passed, {len(failed)} failed")
    return 1 if failed or unexplained or unused or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
