#!/usr/bin/env bash
# Runs the suite against a server that we did not write: opamp-go's server package, built from the Go module proxy into
# .muster/tools on first use. Needs Go 1.25 or later. It is a transport and not a control plane, so the transport passes and
# most of what takes a memory fails; that is what this shows. Arguments are passed on: `opamp-go.sh --only R37`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../.." && pwd)
peer="$root/.muster/tools/opamp-go-peer"
if [ ! -x "$peer" ]; then
  command -v go >/dev/null || { echo "Go was not found; install Go 1.25 or later and run this again." >&2; exit 1; }
  echo "building the peer ..." >&2
  mkdir -p "$(dirname "$peer")"
  (cd "$here/opamp-go" && CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '-s -w' -o "$peer" .)
fi
address=$(mktemp)
"$peer" >"$address" &
pid=$!
trap 'kill "$pid" 2>/dev/null; rm -f "$address"' EXIT
for _ in $(seq 50); do [ -s "$address" ] && break; sleep 0.1; done
node "$root/deploy/local/bootstrap.mjs" services/gateway/conformance/main.ts \
  --target "$(cat "$address")" --deadline-ms 1000 "$@"
