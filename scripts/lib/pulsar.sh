# shellcheck shell=bash
# Apache Pulsar from its published jars, as one process: broker, storage (a bookie) and metadata. `pulsar` is open to
# all, `pulsar-secure` has TLS, tokens, passwords and permissions (lib/pulsar-secure.sh).
# Served to scripts/brokers by the functions that lib/instance.sh lists.
# Environment: MILLSTREAM_PULSAR_VERSION, _HEAP, _DIRECT, _WAIT, _EXTRA, _JIT, _JAVA_OPTS (explained in scripts/brokers).
#
# Ports of a node: 0 clients, 1 admin by HTTP, 2 storage; of `pulsar-secure` also 3 clients and 4 admin, both by TLS.
#
# Topics are not partitioned unless made so by `topic`; who names one that is not there creates it. The namespace
# public/default is Pulsar's own; public/dedup has deduplication on. Transactions, acknowledgements of single records of
# a batch, and policies of topics are on. A record that nobody acknowledges is dropped after a day.
# The variables that it sets for lib/instance.sh and scripts/brokers look unused from here.
# shellcheck disable=SC2034,SC2153

# shellcheck source=scripts/lib/java.sh disable=SC1091
. "$LIB/java.sh"
# shellcheck source=scripts/lib/pulsar-secure.sh disable=SC1091
. "$LIB/pulsar-secure.sh"

pulsar_describe() {
  VERSION=${MILLSTREAM_PULSAR_VERSION:-4.0.7}
  PULSAR_HOME=$(cache_dir)/pulsar-$VERSION
  READY_SECONDS=${MILLSTREAM_PULSAR_WAIT:-180}
  NODES=1
  case $NAME in
    pulsar) PORTS_PER_NODE=3 FIRST_PORT=16650 ;;
    pulsar-secure) PORTS_PER_NODE=5 FIRST_PORT=16750 ;;
  esac
}

pulsar_is_secure() { [ "$NAME" = pulsar-secure ]; }
pulsar_conf() { printf '%s/node-%s.conf\n' "$DIR" "$1"; }
pulsar_mark() { pulsar_conf "$1"; }
pulsar_address() { printf '127.0.0.1:%s\n' "$(port_of 1)"; }
pulsar_http() { printf 'http://127.0.0.1:%s\n' "$(port_of 1 1)"; }
pulsar_classpath() { java_classpath "$PULSAR_HOME"; }

pulsar_env() {
  if pulsar_is_secure; then pulsar_secure_env; return; fi
  printf 'export MILLSTREAM_TEST_PULSAR=%s\n' "$(pulsar_address)"
  printf 'export MILLSTREAM_TEST_PULSAR_HTTP=%s\n' "$(pulsar_http)"
}

# ready: a record of the broker's own has gone through its storage and back, and the namespaces are there
pulsar_ready() {
  listening "$(port_of "$1")" && [ "$(pulsar_admin GET brokers/health)" = ok ] &&
    pulsar_admin GET namespaces/public/default >/dev/null
} 2>/dev/null

# settle: once for an instance, what its users count on
pulsar_settle() {
  [ ! -f "$DIR/settled" ] || return 0
  pulsar_create namespaces/public/dedup '{"bundles":{"numBundles":4},"deduplicationEnabled":true}'
  ! pulsar_is_secure || pulsar_secure_permit
  touch "$DIR/settled"
}

# pulsar_topic TOPIC PARTITIONS [policy=JSON...]: TOPIC is `name` (in public/default) or `tenant/namespace/name`;
# 0 partitions make one that is not partitioned. A policy is a path of the admin API: deduplicationEnabled=true
pulsar_topic() {
  local topic=${1#persistent://} pair
  case $topic in */*/*) ;; *) topic=public/default/$topic ;; esac
  case $2 in
    '' | *[!0-9]*) die "partitions are a number, not '$2'" ;;
    0) pulsar_create "persistent/$topic" ;;
    *) pulsar_create "persistent/$topic/partitions" "$2" ;;
  esac
  for pair in "${@:3}"; do
    pulsar_admin POST "persistent/$topic/${pair%%=*}" "${pair#*=}" >/dev/null || die "cannot set $pair of topic $topic"
  done
}

# pulsar_admin METHOD PATH [JSON]: prints the answer of the admin API; fails when it is an error
pulsar_admin() { pulsar_curl -fsS -X "$1" ${3:+--data "$3"} "$(pulsar_http)/admin/v2/$2"; }

# pulsar_create PATH [JSON]: does nothing when it is there
pulsar_create() {
  local status
  status=$(pulsar_curl -sS -X PUT ${2:+--data "$2"} -o "$DIR/answer" -w '%{http_code}' "$(pulsar_http)/admin/v2/$1")
  case $status in
    2?? | 409) ;;
    *) die "Pulsar's admin API refused to create $1 ($status): $(cat "$DIR/answer" 2>/dev/null)" ;;
  esac
}

pulsar_curl() {
  local login=()
  ! pulsar_is_secure || login=(-H "Authorization: Bearer $(cat "$(pulsar_secure_folder)/admin.token")")
  curl -m 20 -H 'Content-Type: application/json' "${login[@]}" "$@"
}

# --- installing -----------------------------------------------------------------------------------------

pulsar_install() {
  pulsar_installed || with_lock "$(cache_dir)/pulsar-$VERSION.lock" pulsar_install_alone
}

pulsar_installed() { [ -f "$PULSAR_HOME/complete" ] && [ -e "$(java_archive "$PULSAR_HOME")" ]; }

pulsar_install_alone() {
  [ -f "$PULSAR_HOME/complete" ] || pulsar_install_jars
  [ -e "$(java_archive "$PULSAR_HOME")" ] || java_make_archive "$PULSAR_HOME" pulsar pulsar_topic archive 1
}

pulsar_install_jars() {
  java_need "Pulsar $VERSION"
  have curl || die "curl is not on PATH: run scripts/setup"
  rm -rf "$PULSAR_HOME"
  mkdir -p "$PULSAR_HOME/jars" || die "cannot write $PULSAR_HOME"
  say "fetching Pulsar $VERSION with Maven (about 235 MB)"
  pulsar_write_pom
  java_fetch_jars "$PULSAR_HOME" "Pulsar $VERSION"
  touch "$PULSAR_HOME/complete"
}

# Importing Pulsar's own parent gives each of its dependencies the version it was released with.
pulsar_write_pom() {
  cat >"$PULSAR_HOME/pom.xml" <<XML
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>millstream.test</groupId>
  <artifactId>pulsar-broker</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencyManagement>
    <dependencies>
      <dependency>
        <groupId>org.apache.pulsar</groupId><artifactId>pulsar</artifactId><version>$VERSION</version>
        <type>pom</type><scope>import</scope>
      </dependency>
    </dependencies>
  </dependencyManagement>
  <dependencies>
    <dependency><groupId>org.apache.pulsar</groupId><artifactId>pulsar-broker</artifactId><version>$VERSION</version></dependency>
  </dependencies>
</project>
XML
}

# --- running --------------------------------------------------------------------------------------------

pulsar_configure() { # NODE
  cat >"$(pulsar_conf "$1")" <<CONF
clusterName=standalone
metadataStoreUrl=
configurationMetadataStoreUrl=
bindAddress=127.0.0.1
advertisedAddress=127.0.0.1
brokerServicePort=$(port_of "$1")
webServicePort=$(port_of "$1" 1)

allowAutoTopicCreation=true
allowAutoTopicCreationType=non-partitioned
brokerDeleteInactiveTopicsEnabled=false
forceDeleteTenantAllowed=true
forceDeleteNamespaceAllowed=true
transactionCoordinatorEnabled=true
acknowledgmentAtBatchIndexLevelEnabled=true
systemTopicEnabled=true
topicLevelPoliciesEnabled=true
brokerDeduplicationEnabled=false
ttlDurationDefaultInSeconds=86400
brokerShutdownTimeoutMs=10000

# one node
managedLedgerDefaultEnsembleSize=1
managedLedgerDefaultWriteQuorum=1
managedLedgerDefaultAckQuorum=1
loadBalancerEnabled=false
loadManagerClassName=org.apache.pulsar.broker.loadbalance.NoopLoadManager
defaultNumberOfNamespaceBundles=4
webSocketServiceEnabled=false
enablePackagesManagement=false

# small machine: few threads, small caches, nothing forced to the disk (a killed process loses nothing by that)
numIOThreads=2
numHttpServerThreads=8
numOrderedExecutorThreads=2
managedLedgerCacheSizeMB=64
managedLedgerMaxUnackedRangesToPersist=10000
allowLoopback=true
ledgerStorageClass=org.apache.bookkeeper.bookie.storage.ldb.DbLedgerStorage
dbStorage_writeCacheMaxSizeMb=64
dbStorage_readAheadCacheMaxSizeMb=32
dbStorage_rocksDB_blockCacheSize=16777216
nettyMaxFrameSizeBytes=5253120
journalMaxGroupWaitMSec=1
journalSyncData=false
flushInterval=60000
diskUsageThreshold=0.99
diskUsageWarnThreshold=0.99
isForceGCAllowWhenNoSpace=true
CONF
  ! pulsar_is_secure || pulsar_secure_settings >>"$(pulsar_conf "$1")"
  printf '%s\n' "${MILLSTREAM_PULSAR_EXTRA:-}" | tr ';' '\n' >>"$(pulsar_conf "$1")"
}

pulsar_write_log_settings() {
  cat >"$DIR/log4j2.properties" <<'PROPERTIES'
status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{HH:mm:ss.SSS} %-5p %c{1} - %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
logger.standalone.name=org.apache.pulsar.PulsarStandalone
logger.standalone.level=info
PROPERTIES
}

# what Netty, BookKeeper and RocksDB reach for inside Java, and which metadata store they use
PULSAR_JAVA_OPTIONS=(
  --add-opens java.base/java.io=ALL-UNNAMED --add-opens java.base/java.nio=ALL-UNNAMED
  --add-opens java.base/java.util.zip=ALL-UNNAMED --add-opens java.base/jdk.internal.misc=ALL-UNNAMED
  --add-opens java.base/jdk.internal.platform=ALL-UNNAMED --add-opens java.base/sun.net=ALL-UNNAMED
  --add-opens java.management/sun.management=ALL-UNNAMED
  -Dio.netty.tryReflectionSetAccessible=true -Djava.net.preferIPv4Stack=true
  -Dlog4j2.is.webapp=false -Dlog4j.shutdownHookEnabled=false
  -Dbookkeeper.metadata.bookie.drivers=org.apache.pulsar.metadata.bookkeeper.PulsarMetadataBookieDriver
  -Dbookkeeper.metadata.client.drivers=org.apache.pulsar.metadata.bookkeeper.PulsarMetadataClientDriver
)

pulsar_start() { # NODE
  local options class_option jit_option
  jit_option=$(java_jit_option MILLSTREAM_PULSAR_JIT) || exit
  class_option=$(java_class_option "$PULSAR_HOME")
  ! pulsar_is_secure || pulsar_secure_prepare
  pulsar_configure "$1"
  pulsar_write_log_settings
  read -r -a options <<<"${MILLSTREAM_PULSAR_JAVA_OPTS:-}"
  start_detached "$DIR/node-$1.pid" "$(pulsar_mark "$1")" "$(node_log "$1")" \
    java -Xms128m "-Xmx${MILLSTREAM_PULSAR_HEAP:-512m}" "-XX:MaxDirectMemorySize=${MILLSTREAM_PULSAR_DIRECT:-512m}" \
    -XX:+UseG1GC -XX:+ExitOnOutOfMemoryError "$jit_option" ${class_option:+"$class_option"} "${PULSAR_JAVA_OPTIONS[@]}" \
    "-Dlog4j.configurationFile=$DIR/log4j2.properties" "${options[@]}" -cp "$(pulsar_classpath)" \
    org.apache.pulsar.PulsarStandaloneStarter --config "$(pulsar_conf "$1")" --no-functions-worker --no-stream-storage \
    --num-bookies 1 --bookkeeper-port "$(port_of "$1" 2)" --metadata-dir "$DIR/node-$1/metadata" \
    --bookkeeper-dir "$DIR/node-$1/bookkeeper" --advertised-address 127.0.0.1
}
