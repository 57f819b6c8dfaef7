#!/bin/sh
# Makes, once, what the parts of one installation need to trust each other: an authority, the certificates of the bus and of the gateway,
# the bus's users, a token for the gateway, the key of the store. What is there already stays.
#   keys.sh [DIRECTORY [NAME...]]    the names are further host names of bus and gateway
set -eu
umask 077
directory="${1:-/etc/shoal/keys}"
[ "$#" -gt 0 ] && shift
mkdir -p "$directory"
cd "$directory"

secret() {
  # Begins with a letter, so that no configuration takes it for a number.
  printf 's%s' "$(openssl rand -hex 24)"
}

authority() {
  [ -f ca.crt ] && return
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=shoal" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" -keyout ca.key -out ca.crt 2>/dev/null
}

# certificate NAME HOST...: NAME.crt and NAME.key for these host names and this machine
certificate() {
  name="$1"
  [ -f "$name.crt" ] && return
  hosts="DNS:localhost,IP:127.0.0.1"
  for host in "$@"; do hosts="$hosts,DNS:$host"; done
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" -keyout "$name.key" -out "$name.csr" 2>/dev/null
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$hosts" > "$name.ext"
  openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -extfile "$name.ext" -out "$name.crt" 2>/dev/null
  rm "$name.csr" "$name.ext"
}

authority
certificate nats "$@"
certificate gateway "$@"
for user in hub agent; do
  [ -f "$user.creds" ] || printf '%s\n%s\n' "$user" "$(secret)" > "$user.creds"
done
[ -f tokens ] || printf '%s admin\n' "$(secret)" > tokens
[ -f store.key ] || secret > store.key
if [ -n "${SHOAL_AGENT_KEYS:-}" ]; then
  # What an agent may see, in a place of its own.
  cp ca.crt agent.creds "$SHOAL_AGENT_KEYS"
fi
echo "keys are in $directory"
