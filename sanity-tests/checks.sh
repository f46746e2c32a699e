# What scripts that test one thing after the other share. Sourced by them, after they set SUITE, the name of their sum.
# shellcheck shell=bash

passed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check WHAT COMMAND...: one line that says that it held; ends the script when it did not.
check() {
  local what=$1
  shift
  if ! "$@" >"$work/output" 2>&1; then
    printf 'FAILED %s\n' "$what"
    cat "$work/output"
    printf '%s: %d passed, 1 failed\n' "$SUITE" $passed
    exit 1
  fi
  passed=$((passed + 1))
  printf 'ok %s\n' "$what"
}

all_held() { printf '%s: %d passed, 0 failed\n' "$SUITE" $passed; }

# refused TEXT COMMAND...: the command fails and says TEXT.
refused() {
  local text=$1 output
  shift
  if output=$("$@" 2>&1); then
    printf 'it was not refused: %s\n' "$output"
    return 1
  fi
  printf '%s\n' "$output"
  [[ $output == *"$text"* ]]
}

# prints TEXT COMMAND...: the command succeeds and prints TEXT, spaces aside.
prints() {
  local text=$1 output
  shift
  output=$("$@" 2>&1) || { printf '%s\n' "$output"; return 1; }
  printf '%s\n' "$output"
  output=$(tr -s '[:space:]' ' ' <<<"$output")
  [[ $output == *"$text"* ]]
}

# within SECONDS COMMAND...: the command succeeds in that time.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    read -rt 0.1 <> <(:) || true
  done
}
