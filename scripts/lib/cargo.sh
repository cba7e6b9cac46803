# shellcheck shell=bash
# shellcheck disable=SC2034 # read by the scripts that source it
# What scripts/test and scripts/bench both know about the workspace. Sourced after common.sh, with the
# root of the repository as working folder.

# features of the root package: everything that a test, an example or a bench may use
TEST_FEATURES=${MILLSTREAM_TEST_FEATURES:-millstream/kafka,millstream/pulsar,millstream/io,millstream/bincode}
BENCH_FEATURES=${MILLSTREAM_BENCH_FEATURES:-millstream/kafka,millstream/pulsar-baseline,millstream/mimalloc}

# targets_in FOLDER: names of the root package's examples or benches (FOLDER/NAME.rs, FOLDER/NAME/main.rs)
targets_in() {
  local file
  for file in "$1"/*.rs "$1"/*/main.rs; do
    [ -f "$file" ] || continue
    file=${file%/main.rs}
    basename "$file" .rs
  done
}

# target_file FOLDER NAME
target_file() { if [ -f "$1/$2.rs" ]; then echo "$1/$2.rs"; else echo "$1/$2/main.rs"; fi; }

# head_lines FILE KEY: what follows `//! KEY:` in the file, one line each
head_lines() { sed -n "s|^//! $2:[[:space:]]*||p" "$1"; }

bench_needs() { head_lines "$(target_file benches "$1")" needs | tr -s ', ' '\n' | grep -qx "$2"; }

# bench_result FILE: the JSON object on the last line of a bench's stdout, on one line; fails when it is none
bench_result() {
  tail -n 1 "$1" | jq -ce 'select(type == "object") | select(has("name") and has("ours") and has("unit"))' 2>/dev/null
}
