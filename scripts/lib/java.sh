# shellcheck shell=bash
# What brokers that run on Java share: their jars, by Maven, and quick starts of the JVM.
# Sourced by the broker's own file, after common.sh, process.sh and instance.sh.
#
# A broker's home is its folder in the cache: pom.xml names what it needs, jars/ has it.

# java_need WHAT: dies unless Java and Maven are there
java_need() {
  [ "$(java_major)" -ge 17 ] || die "$1 needs Java 17 or newer on PATH: run scripts/setup"
  have mvn || die "Maven (mvn) is not on PATH: run scripts/setup"
}

# java_fetch_jars HOME WHAT: what HOME/pom.xml names goes to HOME/jars
java_fetch_jars() {
  local attempt log=$1/maven.log
  for attempt in 1 2 3; do
    mvn --batch-mode --quiet --no-transfer-progress --file "$1/pom.xml" dependency:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$1/jars" >"$log" 2>&1 && return 0
    say "Maven failed (attempt $attempt of 3), see $log"
    sleep $((attempt * 2))
  done
  grep -m 3 ERROR "$log" >&2
  die "Maven could not fetch $2, see $log"
}

# java_classpath HOME: the jars in a fixed order, because a class archive is only valid for the class path it was made with
java_classpath() { printf '%s\n' "$1"/jars/*.jar | LC_ALL=C sort | paste -sd: -; }

# java_archive HOME: parsed and verified classes of a broker that ran before (the JVM's class data sharing). Halves
# the time and the CPU of a start. Valid for one build of the JVM, hence the name.
java_archive() { printf '%s/classes-%s.jsa\n' "$1" "$(stat -Lc '%s-%Y' "$(command -v java)" 2>/dev/null)"; }

# java_make_archive HOME NAME WARM_UP...: run a throw-away broker NAME that writes the archive when it ends, after the
# command WARM_UP. Brokers work without it, so a failure leaves an empty file (which the JVM ignores) and is not tried again.
java_make_archive() {
  local archive name=$2
  archive=$(java_archive "$1")
  shift 2
  say "preparing fast starts (once for each version of Java)"
  (
    open_instance "$name" class-archive
    rm -rf "$DIR"
    with_lock "$(data_root)/ports.lock" choose_ports
    # shellcheck disable=SC2317 # called as the broker starts
    java_class_option() { printf '%s\n' "-XX:ArchiveClassesAtExit=$archive.new"; }
    launch 1
    await_ready 1 "$READY_SECONDS"
    "$@" >/dev/null
    stop_nodes 1
    rm -rf "$DIR"
  ) && [ -s "$archive.new" ] && mv "$archive.new" "$archive" && return 0
  say "no class archive could be made: brokers will start slowly, but work"
  : >"$archive"
}

# java_class_option HOME: the JVM's option that uses the archive, if there is one
java_class_option() {
  local archive
  archive=$(java_archive "$1")
  [ ! -s "$archive" ] || printf '%s\n' "-XX:SharedArchiveFile=$archive"
}

# java_jit_option VARIABLE: the JVM's option for what the variable says, `quick` unless it is set. `quick` stops at
# the first compiler. Measured for Kafka on two cores against `full`: ready in 1.0 s instead of 1.2 s, half the CPU
# over the first minutes, the same throughput with large batches; with batches of 100 records `full` needs half the
# CPU, but only once a million records have warmed it up.
java_jit_option() {
  case ${!1:-quick} in
    quick) echo -XX:TieredStopAtLevel=1 ;;
    full) echo -XX:+TieredCompilation ;;
    *) die "$1 is quick or full, not '${!1}'" ;;
  esac
}
