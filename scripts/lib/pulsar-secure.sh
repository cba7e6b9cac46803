# shellcheck shell=bash
# What makes `pulsar-secure` of lib/pulsar.sh: TLS, logins by token, password and certificate, and permissions.
# Sourced by lib/pulsar.sh, whose variables it uses.
#
# Both ports want a login, by TLS and without. Users: `admin` may do everything; `service`, and whoever comes with the
# good client certificate (`client`), may produce and consume in public/default; `guest` may nothing. Each has the
# password `NAME-canary` and a token. Pulsar has one certificate on its TLS port: the wrong ones of lib/certificates.sh
# are for peers that tests play themselves.
#
# In the folder, beside the certificates: NAME.token of each user, expired.token (of `service`), forged.token (of
# `admin`, signed with another key), token.key, and `listeners`, a line `NAME ADDRESS` for TLS, PLAIN, HTTP, HTTPS.
PULSAR_USERS=(admin service guest)

# shellcheck source=scripts/lib/certificates.sh disable=SC1091
. "$LIB/certificates.sh"

pulsar_secure_folder() { printf '%s/tls\n' "$DIR"; }

pulsar_secure_prepare() {
  local folder
  folder=$(pulsar_secure_folder)
  make_certificates "$folder"
  [ -f "$folder/tokens-complete" ] || (umask 077 && pulsar_make_logins "$folder") || die "cannot make tokens in $folder"
  printf '%s\n' "TLS 127.0.0.1:$(port_of 1 3)" "PLAIN 127.0.0.1:$(port_of 1)" "HTTP $(pulsar_http)" \
    "HTTPS https://127.0.0.1:$(port_of 1 4)" >"$folder/listeners"
}

pulsar_make_logins() { # FOLDER
  local user
  : >"$1/passwords"
  head -c 32 /dev/urandom >"$1/token.key"
  head -c 32 /dev/urandom >"$1/forged.key"
  for user in "${PULSAR_USERS[@]}"; do
    pulsar_token "$1/token.key" "{\"sub\":\"$user\"}" >"$1/$user.token" || return
    printf '%s:%s\n' "$user" "$(openssl passwd -apr1 "$user-canary")" >>"$1/passwords" || return
  done
  pulsar_token "$1/token.key" '{"sub":"service","exp":1704067200}' >"$1/expired.token" || return
  pulsar_token "$1/forged.key" '{"sub":"admin"}' >"$1/forged.token" || return
  touch "$1/tokens-complete"
}

# pulsar_token KEY CLAIMS: a JSON web token, signed by HS256 with the bytes of the file KEY
pulsar_token() {
  local signed key
  key=$(od -An -v -tx1 "$1" | tr -d ' \n')
  signed=$(printf '{"alg":"HS256","typ":"JWT"}' | base64_for_urls).$(printf '%s' "$2" | base64_for_urls)
  printf '%s.' "$signed"
  printf '%s' "$signed" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64_for_urls
}
base64_for_urls() { base64 -w 0 | tr '+/' '-_' | tr -d '='; }

# pulsar_secure_settings: what comes after the settings of every Pulsar
pulsar_secure_settings() {
  local folder providers=org.apache.pulsar.broker.authentication.AuthenticationProvider
  folder=$(pulsar_secure_folder)
  cat <<CONF

brokerServicePortTls=$(port_of 1 3)
webServicePortTls=$(port_of 1 4)
tlsCertificateFilePath=$folder/good.pem
tlsKeyFilePath=$folder/good.key
tlsTrustCertsFilePath=$folder/ca.pem
tlsAllowInsecureConnection=false
tlsRequireTrustedClientCertOnConnect=false
authenticationEnabled=true
authorizationEnabled=true
authenticationProviders=${providers}Token,${providers}Basic,${providers}Tls
authenticationRefreshCheckSeconds=1
tokenSecretKey=file://$folder/token.key
basicAuthConf=file://$folder/passwords
superUserRoles=admin
brokerClientAuthenticationPlugin=org.apache.pulsar.client.impl.auth.AuthenticationToken
brokerClientAuthenticationParameters={"token":"$(cat "$folder/admin.token")"}
CONF
}

# pulsar_secure_permit: what the users may do
pulsar_secure_permit() {
  local user
  for user in service client; do
    pulsar_admin POST "namespaces/public/default/permissions/$user" '["produce","consume"]' >/dev/null ||
      die "Pulsar's admin API refused permissions of $user"
  done
}

pulsar_secure_env() {
  printf 'export MILLSTREAM_TEST_PULSAR_SECURE=127.0.0.1:%s\n' "$(port_of 1 3)"
  printf 'export MILLSTREAM_TEST_PULSAR_SECURE_FOLDER=%s\n' "$(pulsar_secure_folder)"
}
