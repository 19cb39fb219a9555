#!/usr/bin/env bash
# Builds the peers that load tests compare Muster with, from the Go module proxy into .muster/tools, once. Needs Go 1.25
# or later. bare-uws.ts needs no building. `npm test` never needs any of this.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools="$here/../../.muster/tools"
mkdir -p "$tools"
peer="$tools/opamp-go-load-peer"
if [ -x "$peer" ] && [ "$peer" -nt "$here/opamp-go/main.go" ]; then
  echo "the opamp-go peer is there" >&2
  exit 0
fi
command -v go >/dev/null || { echo "Go was not found; install Go 1.25 or later and run this again." >&2; exit 1; }
echo "building the opamp-go peer ..." >&2
(cd "$here/opamp-go" && CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '-s -w' -o "$peer" .)
