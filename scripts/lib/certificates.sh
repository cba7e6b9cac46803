# shellcheck shell=bash
# Certificates for tests of TLS, made by openssl in one folder: good ones, and ones that are wrong in one way each.
# Sourced after common.sh. Nothing here is a secret: every key is made for one instance on loopback and deleted with it.
#
# In the folder: ca.pem signs everything but what its name says otherwise; NAME.pem and NAME.key are a certificate
# and its key, NAME.both the two in one file, as brokers want them.

CERTIFICATES_HOST='subjectAltName=DNS:localhost,IP:127.0.0.1'

# make_certificates FOLDER: does nothing when they are there
make_certificates() {
  [ ! -f "$1/complete" ] || return 0
  have openssl || die "openssl is not on PATH: run scripts/setup"
  rm -rf "$1"
  mkdir -p "$1" || die "cannot write $1"
  (cd "$1" && umask 077 && make_all_certificates) >"$1.log" 2>&1 || die "openssl could not make certificates, see $1.log"
  touch "$1/complete"
}

make_all_certificates() {
  make_authority ca &&
    make_authority other-ca &&
    make_certificate good ca "$CERTIFICATES_HOST" -days 3650 &&
    make_certificate unknown-ca other-ca "$CERTIFICATES_HOST" -days 3650 &&
    make_certificate wrong-host ca 'subjectAltName=DNS:kafka.example,DNS:kafka-1.example' -days 3650 &&
    make_certificate expired ca "$CERTIFICATES_HOST" -startdate 20240101000000Z -enddate 20240201000000Z &&
    make_certificate not-yet-valid ca "$CERTIFICATES_HOST" -startdate 20480101000000Z -enddate 20490101000000Z &&
    make_self_signed self-signed &&
    make_certificate client ca extendedKeyUsage=clientAuth -days 3650 &&
    make_certificate client-of-other-ca other-ca extendedKeyUsage=clientAuth -days 3650 &&
    make_certificate expired-client ca extendedKeyUsage=clientAuth -startdate 20240101000000Z -enddate 20240201000000Z &&
    openssl pkcs8 -topk8 -v2 aes-256-cbc -in client.key -passout pass:key-canary -out client.locked.key &&
    rm -rf books ./*.index* ./*.conf
}

make_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }

make_authority() { # NAME: with the book-keeping that `openssl ca` wants, which alone can set any date
  make_key "$1" &&
    openssl req -x509 -new -key "$1.key" -days 3650 -subj "/CN=millstream-test-$1" -out "$1.pem" \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign &&
    mkdir -p books && : >"$1.index" && cat >"$1.conf" <<CONF
[ca]
default_ca = authority
[authority]
database = $1.index
new_certs_dir = books
certificate = $1.pem
private_key = $1.key
default_md = sha256
rand_serial = yes
unique_subject = no
policy = any
[any]
commonName = supplied
CONF
}

make_certificate() { # NAME AUTHORITY EXTENSIONS DATES...
  local name=$1 authority=$2 extensions=$3
  shift 3
  make_key "$name" &&
    openssl req -new -key "$name.key" -subj "/CN=$name" -out "$name.csr" &&
    printf '%s\n' "$extensions" >"$name.ext" &&
    openssl ca -batch -notext -config "$authority.conf" -extfile "$name.ext" -in "$name.csr" -out "$name.pem" "$@" &&
    cat "$name.key" "$name.pem" >"$name.both" &&
    rm -f "$name.csr" "$name.ext"
}

make_self_signed() { # NAME
  make_key "$1" &&
    openssl req -x509 -new -key "$1.key" -days 3650 -subj "/CN=$1" -addext "$CERTIFICATES_HOST" -out "$1.pem" &&
    cat "$1.key" "$1.pem" >"$1.both"
}
