# shellcheck shell=bash
# Long-lived child processes: started so that they outlive the script, found again by pid file, ended.
# Sourced after common.sh. A process is known by its pid file and its mark: one argument of its command
# line that no other process has (the path of its configuration), because pids are reused.

# live_pid PIDFILE MARK: print the pid if that process still runs. A zombie has no command line, so a
# container without an init that reaps children does not fool this.
live_pid() {
  local pid
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] || return 1
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -e "$2" || return 1
  printf '%s\n' "$pid"
} 2>/dev/null

# start_detached PIDFILE MARK LOG COMMAND...: its own session (a Ctrl-C at the terminal must not reach it),
# no open file of the caller (a pipe that reads the caller's output must see its end).
start_detached() {
  local pidfile=$1 mark=$2 log=$3 pid
  shift 3
  (
    exec </dev/null >"$log" 2>&1
    for fd in /proc/"$BASHPID"/fd/*; do
      fd=${fd##*/}
      [ "$fd" -gt 2 ] && [ "$fd" -ne 255 ] && eval "exec $fd>&-"
    done
    cd / && exec setsid "$@"
  ) &
  pid=$!
  disown "$pid"
  printf '%s\n' "$pid" >"$pidfile"
  # between fork and exec the command line is still that of this script
  while [ -d "/proc/$pid" ] && ! live_pid "$pidfile" "$mark" >/dev/null; do
    [ "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")" ] || break
    sleep 0.02
  done
}

# process_state PID: the kernel's letter (R, S, T = stopped, Z ...)
process_state() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null; }

# resident_mib PID
resident_mib() { awk '/^VmRSS:/ { printf "%d\n", $2 / 1024 }' "/proc/$1/status" 2>/dev/null; }

# wait_until SECONDS COMMAND...: try ten times a second until COMMAND succeeds; fail when time is up
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}
