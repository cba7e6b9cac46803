#!/usr/bin/env bash
# Runs the bench NAME briefly and unoptimised, and checks that its last line on stdout is a JSON result.
# A file of its own, because scripts/test runs it under a time limit. Called in the root of the repository.
set -uo pipefail

# shellcheck source=scripts/lib/cargo.sh disable=SC1091
. scripts/lib/cargo.sh
out=$(mktemp) || exit
trap 'rm -f "$out"' EXIT

MILLSTREAM_BENCH_SMOKE=1 cargo bench --quiet --profile dev --package millstream --bench "$1" --features "$BENCH_FEATURES" |
  tee "$out" || exit
grep -q '^SKIPPED:' "$out" || bench_result "$out" >/dev/null || {
  echo "the last line of bench $1 is not a JSON result"
  exit 1
}
