#!/usr/bin/python3
"""Sorts what programs import into crash points and the rest, by symbols.txt beside this file.

classify.py points PROGRAM...   prints a line CRASH_POINT(index, symbol) for each point, for the C preprocessor
classify.py check PROGRAM...    fails when an import is in no line of symbols.txt, or a line fits no import
"""
import fnmatch
import pathlib
import subprocess
import sys

KINDS = ("point", "unmet", "none")


def read_rules(text):
    """[(kind, pattern)] in order."""
    rules = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(maxsplit=2)
        if not words or line.startswith("#"):
            continue
        if words[0] not in KINDS or len(words) < (2 if words[0] == "point" else 3):
            raise SystemExit(f"symbols.txt:{number}: expected KIND PATTERN, and WHY unless it is a point: {line}")
        rules.append((words[0], words[1]))
    return rules


def classify(symbol, rules):
    """The rule that decides; None when there is none."""
    return next((rule for rule in rules if fnmatch.fnmatchcase(symbol, rule[1])), None)


def imports(programs):
    symbols = set()
    for program in programs:
        listing = subprocess.run(["nm", "--dynamic", "--undefined-only", program], check=True, capture_output=True, text=True)
        for line in listing.stdout.splitlines():
            letter, symbol = line.split()
            # A weak symbol may be absent: the run time's own hooks.
            if letter == "U":
                symbols.add(symbol.split("@")[0])
    return sorted(symbols)


def points(symbols, rules):
    return [s for s in symbols if (rule := classify(s, rules)) and rule[0] != "none"]


def check(symbols, rules):
    # A check that finds nothing wrong in a wrong list would be no check.
    assert classify("rbd_snap_create", [("none", "rbd_get_*")]) is None
    unknown = [symbol for symbol in symbols if classify(symbol, rules) is None]
    for symbol in unknown:
        print(f"{symbol}: is imported, and no line of symbols.txt says whether it is a crash point", file=sys.stderr)
    print(f"{len(symbols)} imports, {len(points(symbols, rules))} crash points, {len(unknown)} unknown")
    return 1 if unknown or not symbols else 0


def main(action, *programs):
    rules = read_rules((pathlib.Path(__file__).parent / "symbols.txt").read_text(encoding="utf-8"))
    symbols = imports(programs)
    if action == "check":
        return check(symbols, rules)
    for index, symbol in enumerate(points(symbols, rules)):
        kind = classify(symbol, rules)[0]
        print(f"CRASH_POINT({index}, {symbol}, {'true' if kind == 'point' else 'false'})")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
