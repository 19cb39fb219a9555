#!/usr/bin/env bash
# Builds the agent that check.ts runs: a program of ours on OpAMP's own Go client library, from the Go module proxy into
# .muster/tools. Needs Go 1.25 or later.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools=$(cd "$here/../.." && pwd)/.muster/tools
mkdir -p "$tools"
command -v go >/dev/null || { echo "Go was not found; install Go 1.25 or later and run this again." >&2; exit 1; }
cd "$here/agent" && CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '-s -w' -o "$tools/real-client" .
echo "ready in .muster/tools: real-client"
