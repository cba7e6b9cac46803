# shellcheck shell=bash
# What the head of an example says about its runs, and whether a run printed what stands there. Sourced by scripts/test.
#
# In the head (`//! ` before each line), `ci: ARGS` is a run that must succeed, `ci-fails: ARGS` one that must not. A block
# between ```text and ``` is what the runs named since the last block print: `…` within a line stands for any text, alone on a
# line for any lines. `{kafka}` or `{pulsar}` in ARGS is a broker's address; ` < TEXT` or `< TEXT` behind them is standard
# input, as printf %b has it.

# each_run FILE COMMAND...: calls COMMAND... KIND ARGS EXPECTED for each run, in order; one without arguments where none is named
each_run() {
  local -a lines pending=()
  local line one arguments block='' in_block='' n_runs=0
  mapfile -t lines < <(sed -n '/^\/\/!/!q; s|^//! \{0,1\}||p' "$1")
  shift
  for line in "${lines[@]}" end-of-head; do
    if [ -n "$in_block" ] && [ "$line" != '```' ]; then
      block+=$line$'\n'
      continue
    fi
    case $line in
      ci:* | ci-fails:*) pending+=("$line") ;;
      '```text') in_block=yes ;;
      '```' | end-of-head)
        for one in "${pending[@]}"; do
          arguments=${one#*:}
          "$@" "${one%%:*}" "${arguments# }" "$block"
          n_runs=$((n_runs + 1))
        done
        pending=() block='' in_block=''
        ;;
    esac
  done
  [ "$n_runs" -gt 0 ] || "$@" ci '' ''
}

# matches LINE EXPECTED
matches() {
  local pattern
  pattern=$(sed 's/[][\\*?()|]/\\&/g; s/…/*/g' <<<"$2")
  # shellcheck disable=SC2053 # a pattern is meant
  [[ $1 == $pattern ]]
}

# printed_as_expected FILE EXPECTED: says where the two part
printed_as_expected() {
  local -a found wanted
  local line skips='' at=0
  mapfile -t found <"$1"
  mapfile -t wanted < <(printf '%s' "$2")
  for line in "${wanted[@]}"; do
    [ "$line" != … ] || { skips=yes; continue; }
    while [ -n "$skips" ] && [ "$at" -lt "${#found[@]}" ] && ! matches "${found[at]}" "$line"; do at=$((at + 1)); done
    if [ "$at" -ge "${#found[@]}" ] || ! matches "${found[at]}" "$line"; then
      say "expected: $line"
      say "printed:  ${found[at]-(nothing more)}"
      return 1
    fi
    at=$((at + 1)) skips=''
  done
  [ -n "$skips" ] || [ "$at" -ge "${#found[@]}" ] || { say "not expected: ${found[at]}"; return 1; }
}
