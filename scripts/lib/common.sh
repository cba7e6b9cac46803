# shellcheck shell=bash
# What every script needs: messages, the cache folder, locks, loopback ports.
# Sourced, never run. The sourcing script sets PROGRAM, the name that its messages carry.

say() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# cache_dir: where jars and broker data live, outside the repository so that `cargo clean` keeps them
cache_dir() {
  if [ -n "${MILLSTREAM_BROKERS_DIR:-}" ]; then
    printf '%s\n' "$MILLSTREAM_BROKERS_DIR"
  else
    printf '%s\n' "${XDG_CACHE_HOME:-${HOME:?is not set, and neither is MILLSTREAM_BROKERS_DIR}/.cache}/millstream-brokers"
  fi
}

# with_lock FILE COMMAND...: run COMMAND alone among all processes that use FILE. COMMAND runs in this
# shell, so it may set variables; long-lived children must not inherit the lock (start_detached sees to it).
with_lock() {
  local file=$1 fd status=0
  shift
  mkdir -p "$(dirname "$file")" || die "cannot write $(dirname "$file")"
  exec {fd}>"$file" || die "cannot write $file"
  flock -w 300 "$fd" || die "another process has held $file for 5 minutes"
  "$@" || status=$?
  exec {fd}>&-
  return "$status"
}

# listening PORT: does somebody on loopback accept connections there?
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# java_major: the major version of the `java` on PATH, 0 when there is none
java_major() {
  local version=''
  have java && version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  printf '%s\n' "${version:-0}"
}
