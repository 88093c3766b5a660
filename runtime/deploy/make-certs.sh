#!/bin/sh
# Makes a certificate authority for a cluster, once, and a certificate for each machine.
#
#   make-certs.sh FOLDER NAME=SUBJECT[,SUBJECT...] ...
#   make-certs.sh certs master=DNS:master.example,IP:10.0.0.1 w1=IP:10.0.0.2
#
# Leaves FOLDER/ca.pem, which everybody gets; FOLDER/NAME.pem and FOLDER/NAME.key, for that machine; and FOLDER/ca.key, which
# makes certificates that the whole cluster trusts: keep it off the machines. Each certificate is also good for localhost.
# OpenSSL 3 is needed.
set -eu

[ $# -ge 2 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$1
shift
mkdir -p "$folder"
cd "$folder"
umask 077

# OpenSSL is talkative where all is well.
quietly() {
    "$@" 2>openssl.log || { cat openssl.log >&2; exit 1; }
    rm -f openssl.log
}

if ! [ -e ca.key ]; then
    quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj "/CN=CloudAI cluster" -keyout ca.key -out ca.pem
fi
for machine; do
    name=${machine%%=*}
    quietly openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
        -addext "subjectAltName=${machine#*=},DNS:localhost,IP:127.0.0.1" -keyout "$name.key" -out "$name.csr"
    quietly openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 -copy_extensions copy \
        -out "$name.pem"
    rm "$name.csr"
    openssl verify -CAfile ca.pem "$name.pem"
done
chmod 644 ./*.pem
