# shellcheck shell=bash
# Instances: one set of nodes (processes) of one broker with a folder and ports of its own, so that a test
# that kills its broker disturbs nobody. Sourced after common.sh and process.sh.
#
# open_instance sets, for everything below and for the broker's file:
#   NAME ID      kafka3, default               FAMILY  which lib/FAMILY.sh serves NAME
#   DIR          the instance's folder         NODES   how many processes it has
#   PORTS        its ports, PORTS_PER_NODE for each node in turn; empty while the instance does not exist
#
# lib/FAMILY.sh defines:
#   FAMILY_describe          sets NODES, PORTS_PER_NODE, FIRST_PORT, VERSION for NAME
#   FAMILY_install           fetches what it runs; quick when already there
#   FAMILY_start N           configures and starts node N with start_detached
#   FAMILY_mark N            the command-line argument that identifies node N
#   FAMILY_ready N           is node N ready for clients?
#   FAMILY_settle            what is left to do once all nodes are ready, such as permissions
#   FAMILY_address           where clients connect, for messages
#   FAMILY_env               prints `export MILLSTREAM_TEST_...` lines
#   FAMILY_classpath         prints the class path of its jars
#   FAMILY_topic ARGS...     creates a topic, a queue, or whatever the broker calls it

# Below Linux's range for outgoing connections (32768 upward), so that no client's socket sits on a port of ours.
OTHER_INSTANCES_FIRST_PORT=20000
LAST_PORT=32000

family_of() {
  case $1 in
    kafka | kafka3 | kafka-secure) echo kafka ;;
    pulsar | pulsar-secure) echo pulsar ;;
    *) return 1 ;;
  esac
}

data_root() { printf '%s/data\n' "$(cache_dir)"; }

open_instance() { # NAME ID
  NAME=$1 ID=$2
  FAMILY=$(family_of "$NAME") || die "there is no broker '$NAME'"
  # shellcheck source=scripts/lib/kafka.sh disable=SC1091
  . "$LIB/$FAMILY.sh"
  DIR=$(data_root)/$NAME/$ID
  "${FAMILY}_describe"
  PORTS=()
  [ ! -f "$DIR/ports" ] || read -r -a PORTS <"$DIR/ports"
}

# all_instances: a line `NAME ID` for each one that exists
all_instances() {
  local file
  for file in "$(data_root)"/*/*/ports; do
    [ -f "$file" ] || continue
    file=${file%/ports}
    printf '%s %s\n' "$(basename "$(dirname "$file")")" "${file##*/}"
  done
}

instance_exists() { [ "${#PORTS[@]}" -gt 0 ]; }
require_instance() { instance_exists || die "there is no instance '$ID' of $NAME: run 'scripts/brokers up $NAME --instance $ID'"; }

# port_of NODE [K]: port K (from 0) of the node; port 0 is the one for clients
port_of() { printf '%s\n' "${PORTS[$((($1 - 1) * PORTS_PER_NODE + ${2:-0}))]}"; }

# choose_ports: give the instance ports that nobody listens on and no other instance owns; under the ports lock
choose_ports() {
  local port=$FIRST_PORT wanted=$((NODES * PORTS_PER_NODE)) owned
  [ "$ID" = default ] || port=$OTHER_INSTANCES_FIRST_PORT
  mkdir -p "$DIR" || die "cannot write $DIR"
  rm -f "$DIR/ports"
  owned=" $(cat "$(data_root)"/*/*/ports 2>/dev/null | tr '\n' ' ') "
  PORTS=()
  while [ "${#PORTS[@]}" -lt "$wanted" ]; do
    [ "$port" -le "$LAST_PORT" ] || die "no $wanted free ports below $LAST_PORT"
    case $owned in
      *" $port "*) ;;
      *) listening "$port" || PORTS+=("$port") ;;
    esac
    port=$((port + 1))
  done
  printf '%s\n' "${PORTS[*]}" >"$DIR/ports.new" || die "cannot write $DIR/ports.new"
  mv "$DIR/ports.new" "$DIR/ports" || die "cannot write $DIR/ports"
}

# taken_port [NODE...]: the first port of these nodes that a process listens on
taken_port() {
  local node k
  for node in "$@"; do
    for ((k = 0; k < PORTS_PER_NODE; k++)); do
      listening "$(port_of "$node" "$k")" && port_of "$node" "$k" && return 0
    done
  done
  return 1
}

node_pid() { live_pid "$DIR/node-$1.pid" "$("${FAMILY}_mark" "$1")"; }
node_log() { printf '%s/node-%s.log\n' "$DIR" "$1"; }
all_nodes() { seq "$NODES"; }

# node_state NODE: down, frozen (stopped by a signal), starting, up
node_state() {
  local pid
  if ! pid=$(node_pid "$1"); then
    echo down
  elif [ "$(process_state "$pid")" = T ]; then
    echo frozen
  elif "${FAMILY}_ready" "$1"; then
    echo up
  else
    echo starting
  fi
}

# launch NODE: start the process unless it runs already
launch() {
  local log port
  node_pid "$1" >/dev/null && return 0
  # a process killed a moment ago may not have given its port back yet
  wait_until 5 no_port_taken "$1" || {
    port=$(taken_port "$1")
    die "port $port of $NAME ($ID) is taken by another process; 'wipe' the instance to get other ports"
  }
  log=$(node_log "$1")
  [ ! -f "$log" ] || mv -f "$log" "$log.old"
  "${FAMILY}_start" "$1"
}
no_port_taken() { ! taken_port "$@" >/dev/null; }

# await_ready NODE SECONDS
await_ready() {
  local end=$((SECONDS + $2))
  until "${FAMILY}_ready" "$1"; do
    node_pid "$1" >/dev/null || fail_with_log "$1" "ended while starting"
    [ "$SECONDS" -lt "$end" ] || fail_with_log "$1" "is not ready after $2 s"
    sleep 0.1
  done
}

fail_with_log() { # NODE WHAT
  local log
  log=$(node_log "$1")
  say "last lines of $log:"
  tail -n 20 "$log" >&2
  die "$NAME broker $1 ($ID) $2, see $log"
}

# stop_nodes NODE...: SIGTERM to all at once, SIGKILL to whoever is left after 20 s
stop_nodes() {
  local node pid end=$((SECONDS + 20))
  for node in "$@"; do
    pid=$(node_pid "$node") || continue
    kill -TERM "$pid" 2>/dev/null
    kill -CONT "$pid" 2>/dev/null # a frozen process would not see the SIGTERM
  done
  for node in "$@"; do
    pid=$(node_pid "$node") || continue
    wait_until $((end > SECONDS ? end - SECONDS : 0)) node_gone "$node" || {
      say "$NAME broker $node ($ID) ignored SIGTERM for 20 s, killing it"
      kill_nodes "$node"
    }
  done
  for node in "$@"; do rm -f "$DIR/node-$node.pid"; done
}

node_gone() { ! node_pid "$1" >/dev/null; }

kill_nodes() { # NODE...: SIGKILL to all at once, wait until they have ended and their ports are free
  local node pid
  for node in "$@"; do
    pid=$(node_pid "$node") && kill -KILL "$pid" 2>/dev/null
  done
  for node in "$@"; do
    wait_until 20 node_ended "$node" || die "$NAME broker $node ($ID) survived SIGKILL for 20 s"
    rm -f "$DIR/node-$node.pid"
  done
}
node_ended() { ! node_pid "$1" >/dev/null && no_port_taken "$1"; }
