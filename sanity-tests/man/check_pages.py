#!/usr/bin/python3
"""check_pages.py PROGRAMS_DIR PAGES_DIR: each program has a man page that mandoc finds nothing wrong in, which names
every command and every flag that the program's --help names, and no other."""
import pathlib
import re
import subprocess
import sys

OPTION = re.compile(r"^  (-[^ ]+)", re.MULTILINE)
SUBCOMMAND = re.compile(r"^  ([a-z][a-z-]*) ", re.MULTILINE)
PAGE_ITEM = re.compile(r"^\.It (Fl .*)$", re.MULTILINE)
PAGE_FLAG = re.compile(r"\bFl (-?[a-z][a-z0-9-]*)")
PAGE_COMMAND = re.compile(r"^\.It Cm ([a-z][a-z -]*)$", re.MULTILINE)


def offered(program, command=()):
    """(flags, commands) that `program command... --help` and the helps below it name."""
    text = subprocess.run([program, *command, "--help"], capture_output=True, check=True, text=True, timeout=60).stdout
    flags = {flag for option in OPTION.findall(text) for flag in option.split(",")}
    _, _, below = text.partition("Subcommands:\n")
    commands = set() if below or not command else {" ".join(command)}
    for name in SUBCOMMAND.findall(below):
        more_flags, more_commands = offered(program, (*command, name))
        flags |= more_flags
        commands |= more_commands
    return flags, commands


def documented(page):
    flags = {"-" + flag for item in PAGE_ITEM.findall(page) for flag in PAGE_FLAG.findall(item)}
    return flags, set(PAGE_COMMAND.findall(page))


def faults(name, program, page):
    """What is wrong with `page`, the text of a program's man page."""
    flags, commands = offered(program)
    page_flags, page_commands = documented(page)
    # Roles and the like are items, too: only a program that has commands is asked for them.
    pairs = [("flag", flags, page_flags)] + ([("command", commands, page_commands)] if commands else [])
    for what, there, written in pairs:
        yield from (f"{name}: the page lacks the {what} {item}" for item in sorted(there - written))
        yield from (f"{name}: the program has no {what} {item}" for item in sorted(written - there))


def lint(path):
    # From "warning" on: the level below it is about the layout of the source.
    result = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], capture_output=True, text=True, timeout=60)
    yield from result.stdout.splitlines()
    if result.returncode and not result.stdout:
        yield f"{path}: mandoc ended with {result.returncode}: {result.stderr.strip()}"


def main(programs_dir, pages_dir):
    pages = sorted(pathlib.Path(pages_dir).glob("*.[18]"))
    found = []
    for path in pages:
        program = pathlib.Path(programs_dir) / path.stem
        page = path.read_text(encoding="utf-8")
        found += [*lint(path), *faults(path.stem, program, page)]
        # A check that finds nothing wrong in a wrong page would be no check.
        assert list(faults(path.stem, program, page.replace("-log-level", "-log-levels"))), path
    for program in pathlib.Path(programs_dir).glob("berth*"):
        if program.name not in {path.stem for path in pages}:
            found.append(f"{program.name} has no page")
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"{len(pages)} pages, {len(found)} faults")
    return 1 if found or not pages else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
