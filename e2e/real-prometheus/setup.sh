#!/usr/bin/env bash
# Builds the Prometheus that check.ts measures with, from the Go module proxy into .muster/tools, without its web pages.
# Needs Go 1.24 or later; takes some minutes the first time and nothing afterwards. check.ts runs it by itself.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools=$(cd "$here/../.." && pwd)/.muster/tools
mkdir -p "$tools"
if [ ! -x "$tools/prometheus" ]; then
  command -v go >/dev/null || { echo "Go was not found; install Go 1.24 or later and run this again." >&2; exit 1; }
  echo "building Prometheus ..."
  # Its module has replace and exclude directives, which go install refuses; a module of our own around it does not mind.
  cd "$here/prometheus"
  CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '-s -w' -o "$tools/prometheus" \
    github.com/prometheus/prometheus/cmd/prometheus
fi
echo "ready in .muster/tools: prometheus"
