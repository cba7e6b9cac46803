# shellcheck shell=bash
# What the full tests need beyond Rust, and which Debian package has it. Sourced after common.sh;
# scripts/setup installs from this list, scripts/test asks whether it is complete.

# missing_packages: one Debian package a line; nothing when all is there. A tool counts wherever it comes from.
missing_packages() {
  have cc || echo gcc
  have make || echo make
  have curl || echo curl
  have ps || echo procps
  have kcat || echo kcat
  have jq || echo jq
  have openssl || echo openssl
  have script || echo bsdutils
  [ "$(java_major)" -ge 17 ] || echo openjdk-17-jre-headless
  have mvn || echo maven
  have protoc || echo protobuf-compiler # the `pulsar` crate, which benches compare with
  have pkg-config || echo pkg-config
  has_library openssl openssl/ssl.h || echo libssl-dev
  has_library zlib zlib.h || echo zlib1g-dev
}

# has_library PKG_CONFIG_NAME HEADER: pkg-config knows it, or the compiler finds its header
has_library() {
  pkg-config --exists "$1" 2>/dev/null && return 0
  have cc && printf '#include <%s>\n' "$2" | cc -E - >/dev/null 2>&1
}

# BROKERS_WITH_JARS: one name of each family (kafka and kafka3 share theirs)
BROKERS_WITH_JARS=(kafka pulsar)

# missing_jars: the brokers whose jars are not in the cache, with their versions, one a line
missing_jars() {
  local name
  for name in "${BROKERS_WITH_JARS[@]}"; do
    open_instance "$name" default
    "${FAMILY}_installed" || printf '%s %s\n' "$name" "$VERSION"
  done
}

# install_jars: of every broker
install_jars() {
  local name
  for name in "${BROKERS_WITH_JARS[@]}"; do
    open_instance "$name" default
    "${FAMILY}_install" || return
  done
}
