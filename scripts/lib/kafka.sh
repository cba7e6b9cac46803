# shellcheck shell=bash
# Apache Kafka in KRaft mode from its published jars: `kafka` is one broker, `kafka3` three with replication 3,
# `kafka-secure` one with TLS, SASL and an authorizer (lib/kafka-secure.sh).
# Served to scripts/brokers by the functions that lib/instance.sh lists.
# Environment: MILLSTREAM_KAFKA_VERSION, _HEAP, _WAIT, _EXTRA, _JIT, _JAVA_OPTS (explained in scripts/brokers).
#
# Ports of a node: 0 clients, 1 controller.
# The variables that it sets for lib/instance.sh and scripts/brokers look unused from here.
# shellcheck disable=SC2034,SC2153

# shellcheck source=scripts/lib/java.sh disable=SC1091
. "$LIB/java.sh"
# shellcheck source=scripts/lib/kafka-secure.sh disable=SC1091
. "$LIB/kafka-secure.sh"

kafka_describe() {
  VERSION=${MILLSTREAM_KAFKA_VERSION:-4.3.1}
  KAFKA_HOME=$(cache_dir)/kafka-$VERSION
  READY_SECONDS=${MILLSTREAM_KAFKA_WAIT:-120}
  PORTS_PER_NODE=2
  case $NAME in
    kafka) NODES=1 FIRST_PORT=19092 KAFKA_HEAP=${MILLSTREAM_KAFKA_HEAP:-512m} ;;
    kafka3) NODES=3 FIRST_PORT=19192 KAFKA_HEAP=${MILLSTREAM_KAFKA_HEAP:-256m} ;;
    kafka-secure)
      NODES=1 FIRST_PORT=19292 KAFKA_HEAP=${MILLSTREAM_KAFKA_HEAP:-256m}
      PORTS_PER_NODE=$((2 + ${#SECURE_LISTENERS[@]}))
      ;;
  esac
}

kafka_properties() { printf '%s/node-%s.properties\n' "$DIR" "$1"; }
kafka_mark() { kafka_properties "$1"; }

# ready: the broker has logged that it takes requests, and its port is open
kafka_ready() {
  grep -qs 'Kafka Server started' "$(node_log "$1")" && listening "$(port_of "$1")"
}

kafka_settle() { ! kafka_is_secure || secure_permit; }

kafka_address() { kafka_bootstrap; }
kafka_bootstrap() {
  local node list=''
  for node in $(all_nodes); do list+=${list:+,}127.0.0.1:$(port_of "$node"); done
  printf '%s\n' "$list"
}

kafka_is_secure() { [ "$NAME" = kafka-secure ]; }

kafka_env() {
  if kafka_is_secure; then secure_env; else printf 'export MILLSTREAM_TEST_%s=%s\n' "${NAME^^}" "$(kafka_bootstrap)"; fi
}

kafka_topic() { # TOPIC PARTITIONS [key=value...]
  local topic=$1 partitions=$2 pair config=()
  shift 2
  for pair in "$@"; do config+=(--config "$pair"); done
  kafka_tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$(kafka_bootstrap)" --create --if-not-exists \
    --topic "$topic" --partitions "$partitions" "${config[@]}"
}

# --- installing -----------------------------------------------------------------------------------------

kafka_install() {
  kafka_installed || with_lock "$(cache_dir)/kafka-$VERSION.lock" kafka_install_alone
}

kafka_installed() { [ -f "$KAFKA_HOME/complete" ] && [ -e "$(java_archive "$KAFKA_HOME")" ]; }

kafka_install_alone() {
  [ -f "$KAFKA_HOME/complete" ] || kafka_install_jars
  [ -e "$(java_archive "$KAFKA_HOME")" ] || java_make_archive "$KAFKA_HOME" kafka kafka_topic archive 1
}

kafka_install_jars() {
  java_need "Kafka $VERSION"
  rm -rf "$KAFKA_HOME"
  mkdir -p "$KAFKA_HOME/jars" || die "cannot write $KAFKA_HOME"
  say "fetching Kafka $VERSION with Maven (about 45 MB)"
  kafka_write_pom
  java_fetch_jars "$KAFKA_HOME" "Kafka $VERSION"
  kafka_make_template
  touch "$KAFKA_HOME/complete"
}

kafka_write_pom() {
  # The topic tool is one jar of kafka-tools; its dependencies (46 jars) serve tools that nobody calls here.
  cat >"$KAFKA_HOME/pom.xml" <<XML
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>millstream.test</groupId>
  <artifactId>kafka-broker</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$VERSION</version>
      <exclusions>
        <exclusion><groupId>org.apache.kafka</groupId><artifactId>kafka-tools-api</artifactId></exclusion>
      </exclusions>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$VERSION</version>
      <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>
    </dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
XML
}

# kafka_make_template: what the storage tool writes into an empty folder, made once. Formatting a node is then
# a copy with other ids instead of a start of the JVM.
kafka_make_template() {
  local properties=$KAFKA_HOME/template.properties
  printf '%s\n' process.roles=broker,controller node.id=1 controller.quorum.voters=1@127.0.0.1:1 \
    controller.listener.names=CONTROLLER listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1 \
    "log.dirs=$KAFKA_HOME/template" >"$properties"
  kafka_tool kafka.tools.StorageTool format --cluster-id "$(kafka_random_id)" --config "$properties" >"$KAFKA_HOME/format.log" 2>&1 || {
    tail -n 20 "$KAFKA_HOME/format.log" >&2
    die "Kafka's storage tool failed, see $KAFKA_HOME/format.log"
  }
}

# --- running --------------------------------------------------------------------------------------------

# kafka_random_id: Kafka's notation for 16 random bytes, never with a dash in front (tools take that for an option)
kafka_random_id() {
  local id=-
  while [ "${id#-}" != "$id" ]; do id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '='); done
  printf '%s\n' "$id"
}

kafka_classpath() { java_classpath "$KAFKA_HOME"; }

kafka_tool() { # CLASS ARGS...: a short-lived, quiet JVM
  java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$(kafka_classpath)" "$@"
}

# kafka_format NODE: an identity for an empty data folder
kafka_format() {
  local data=$DIR/node-$1 cluster=$DIR/cluster.id
  [ ! -f "$data/meta.properties" ] || return 0
  [ -s "$cluster" ] || kafka_random_id >"$cluster"
  mkdir -p "$data" || die "cannot write $data"
  cp "$KAFKA_HOME/template/bootstrap.checkpoint" "$data/" || die "cannot write $data"
  printf '%s\n' version=1 "cluster.id=$(cat "$cluster")" "node.id=$1" "directory.id=$(kafka_random_id)" \
    >"$data/meta.properties.new"
  mv "$data/meta.properties.new" "$data/meta.properties"
}

kafka_configure() { # NODE
  # A killed broker is let in again only after its old session has timed out, so one broker alone gets a short
  # one; among three, a short one would call a busy broker dead.
  local node voters='' copies=1 in_sync=1 session_ms=2000 heartbeat_ms=250
  for node in $(all_nodes); do voters+=${voters:+,}$node@127.0.0.1:$(port_of "$node" 1); done
  [ "$NODES" -lt 3 ] || copies=3 in_sync=2 session_ms=6000 heartbeat_ms=1000
  cat >"$(kafka_properties "$1")" <<PROPERTIES
process.roles=broker,controller
node.id=$1
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:$(port_of "$1"),CONTROLLER://127.0.0.1:$(port_of "$1" 1)
advertised.listeners=PLAINTEXT://127.0.0.1:$(port_of "$1")
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$DIR/node-$1

auto.create.topics.enable=false
num.partitions=4
default.replication.factor=$copies
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$copies
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$in_sync
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$copies
share.coordinator.state.topic.min.isr=$in_sync
share.coordinator.state.topic.num.partitions=4

group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=$session_ms
broker.heartbeat.interval.ms=$heartbeat_ms
controlled.shutdown.enable=true

# small machine: few threads, small buffers
num.network.threads=2
num.io.threads=4
num.replica.fetchers=1
log.segment.bytes=268435456
log.retention.hours=24
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=1000
PROPERTIES
  ! kafka_is_secure || secure_properties >>"$(kafka_properties "$1")"
  printf '%s\n' "${MILLSTREAM_KAFKA_EXTRA:-}" | tr ';' '\n' >>"$(kafka_properties "$1")"
}

kafka_start() { # NODE
  local options class_option jit_option
  jit_option=$(java_jit_option MILLSTREAM_KAFKA_JIT) || exit
  class_option=$(java_class_option "$KAFKA_HOME")
  ! kafka_is_secure || secure_prepare
  kafka_configure "$1"
  if kafka_is_secure; then secure_format "$1"; else kafka_format "$1"; fi
  read -r -a options <<<"${MILLSTREAM_KAFKA_JAVA_OPTS:-}"
  start_detached "$DIR/node-$1.pid" "$(kafka_mark "$1")" "$(node_log "$1")" \
    java "-Xms$KAFKA_HEAP" "-Xmx$KAFKA_HEAP" -XX:+UseG1GC -XX:MaxGCPauseMillis=50 -XX:+ExitOnOutOfMemoryError \
    -Djava.awt.headless=true -Dorg.slf4j.simpleLogger.defaultLogLevel=info \
    -Dorg.slf4j.simpleLogger.showDateTime=true -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS \
    "$jit_option" ${class_option:+"$class_option"} "${options[@]}" -cp "$(kafka_classpath)" kafka.Kafka "$(kafka_properties "$1")"
}
