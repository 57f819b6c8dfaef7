#!/bin/sh
# Starts the part of Shoal that the first argument names, as the container's first process, so that it gets the signals.
set -eu
part="${1:?which part? gateway, scheduler, override-renderer, health-monitor, agent, nats, keys, shoal}"
shift
keys=/etc/shoal/keys
case "$part" in
  gateway | scheduler | override-renderer | health-monitor | agent)
    exec python -m "shoal_$(printf %s "$part" | tr - _)" "$@"
    ;;
  nats)
    # nats.conf takes its secrets from the environment: from files where they are mounted, else they are set already.
    for name in hub agent; do
      if [ -f "$keys/$name.creds" ]; then
        secret="$(sed -n 2p "$keys/$name.creds")"
        case "$name" in
          hub) export SHOAL_HUB_PASSWORD="$secret" ;;
          agent) export SHOAL_AGENT_PASSWORD="$secret" ;;
        esac
      fi
    done
    if [ -f "$keys/store.key" ]; then
      SHOAL_STORE_KEY="$(cat "$keys/store.key")"
      export SHOAL_STORE_KEY
    fi
    # Removes what a kill -9 can leave half-made in an encrypted store, then becomes nats-server.
    exec python -m shoal.bus.serve "$(command -v nats-server)" "${SHOAL_STORE_DIR:-/data}" /etc/shoal/nats.conf "$@"
    ;;
  keys)
    exec keys.sh "$@"
    ;;
  shoal)
    exec shoal "$@"
    ;;
  *)
    echo "no part of Shoal is called $part" >&2
    exit 2
    ;;
esac
