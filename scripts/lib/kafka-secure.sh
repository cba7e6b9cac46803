# shellcheck shell=bash
# What makes `kafka-secure` of lib/kafka.sh: TLS, SASL, an authorizer, and listeners with certificates that are wrong.
# Sourced by lib/kafka.sh, whose variables it uses.
#
# Ports of the node, after the two of every Kafka: one for each listener, in this order.
SECURE_LISTENERS=(TLS MUTUAL SASL_TLS SASL_PLAIN UNKNOWN_CA WRONG_HOST EXPIRED NOT_YET_VALID SELF_SIGNED)

# Users, each with the password `NAME-canary`, by PLAIN and SCRAM. `service` may do everything, and so may whoever comes
# without a login or with the good client certificate; `guest` may do nothing, `onlooker` sees topics and may use groups,
# `loner` reads topics and may not use groups.
SECURE_USERS=(service guest onlooker loner)

# shellcheck source=scripts/lib/certificates.sh disable=SC1091
. "$LIB/certificates.sh"

secure_folder() { printf '%s/tls\n' "$DIR"; }

# secure_listeners: a line `NAME HOST:PORT` for each
secure_listeners() {
  local k=2 name
  for name in "${SECURE_LISTENERS[@]}"; do
    printf '%s 127.0.0.1:%s\n' "$name" "$(port_of 1 "$k")"
    k=$((k + 1))
  done
}

secure_prepare() {
  make_certificates "$(secure_folder)"
  secure_listeners >"$(secure_folder)/listeners"
}

# secure_properties: what comes after the properties of every Kafka, and instead of those that name listeners
secure_properties() {
  local names='' map='PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT' name address protocol listeners certificate
  listeners=PLAINTEXT://127.0.0.1:$(port_of 1)
  while read -r name address; do
    protocol=SSL
    case $name in SASL_TLS) protocol=SASL_SSL ;; SASL_PLAIN) protocol=SASL_PLAINTEXT ;; esac
    map+=,$name:$protocol
    names+=,$name://$address
  done < <(secure_listeners)
  printf '%s\n' "listeners=$listeners$names,CONTROLLER://127.0.0.1:$(port_of 1 1)" "advertised.listeners=$listeners$names" \
    "listener.security.protocol.map=$map" authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer \
    'super.users=User:ANONYMOUS;User:service;User:CN=client' allow.everyone.if.no.acl.found=false \
    sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
  for name in SASL_TLS SASL_PLAIN; do secure_login_properties "listener.name.${name,,}"; done
  for name in "${SECURE_LISTENERS[@]}"; do
    certificate=${name,,}
    case $name in TLS | MUTUAL | SASL_TLS) certificate=good ;; SASL_PLAIN) continue ;; esac
    secure_tls_properties "listener.name.${name,,}" "${certificate//_/-}"
  done
  printf '%s\n' listener.name.mutual.ssl.client.auth=required
}

secure_login_properties() { # PREFIX
  local security=org.apache.kafka.common.security user users=''
  for user in "${SECURE_USERS[@]}"; do users+=" user_$user=\"$user-canary\""; done
  printf '%s\n' "$1.plain.sasl.jaas.config=$security.plain.PlainLoginModule required$users;" \
    "$1.scram-sha-256.sasl.jaas.config=$security.scram.ScramLoginModule required;" \
    "$1.scram-sha-512.sasl.jaas.config=$security.scram.ScramLoginModule required;" \
    "$1.oauthbearer.sasl.jaas.config=$security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";" \
    "$1.oauthbearer.connections.max.reauth.ms=4000"
}

secure_tls_properties() { # PREFIX CERTIFICATE
  local folder
  folder=$(secure_folder)
  printf '%s\n' "$1.ssl.keystore.type=PEM" "$1.ssl.keystore.location=$folder/$2.both" \
    "$1.ssl.truststore.type=PEM" "$1.ssl.truststore.location=$folder/ca.pem"
}

# secure_format NODE: an empty data folder with the users in it
secure_format() {
  local user mechanism scram=()
  [ ! -f "$DIR/node-$1/meta.properties" ] || return 0
  for user in "${SECURE_USERS[@]}"; do
    for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do scram+=(--add-scram "$mechanism=[name=$user,password=$user-canary]"); done
  done
  kafka_tool kafka.tools.StorageTool format --cluster-id "$(kafka_random_id)" --config "$(kafka_properties "$1")" "${scram[@]}" \
    >"$DIR/format.log" 2>&1 || die "Kafka's storage tool failed, see $DIR/format.log"
}

# secure_permit: what the users may do; once for an instance
secure_permit() {
  [ ! -f "$DIR/permitted" ] || return 0
  kafka_permit onlooker --operation Describe --topic '*'
  kafka_permit onlooker --operation Read --group '*'
  kafka_permit loner --operation Read --operation Describe --topic '*'
  touch "$DIR/permitted"
}

kafka_permit() { # USER ARGS...
  kafka_tool org.apache.kafka.tools.AclCommand --bootstrap-server "127.0.0.1:$(port_of 1)" --add --force \
    --allow-principal "User:$1" "${@:2}" >/dev/null || die "Kafka's tool for permissions failed"
}

secure_env() {
  printf 'export MILLSTREAM_TEST_KAFKA_SECURE=127.0.0.1:%s\n' "$(port_of 1)"
  printf 'export MILLSTREAM_TEST_KAFKA_SECURE_FOLDER=%s\n' "$(secure_folder)"
}
