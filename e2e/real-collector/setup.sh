#!/usr/bin/env bash
# Builds what we check Muster against but did not write: a Collector, the OpAMP supervisor and grpcurl, from the Go
# module proxy into .muster/tools. Needs Go 1.25 or later; takes some minutes the first time and nothing afterwards.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools=$(cd "$here/../.." && pwd)/.muster/tools
mkdir -p "$tools"
command -v go >/dev/null || { echo "Go was not found; install Go 1.25 or later and run this again." >&2; exit 1; }
export CGO_ENABLED=0 GOFLAGS='-buildvcs=false -trimpath' GOBIN="$tools"
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

if [ ! -x "$tools/grpcurl" ]; then
  echo "building grpcurl ..."
  go install -ldflags '-s -w' github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4
fi
if [ ! -x "$tools/opampsupervisor" ]; then
  echo "building the OpAMP supervisor ..."
  # Its module has replace directives, which go install refuses; a module of our own around it does not mind.
  cp "$here"/supervisor/go.* "$work/"
  (cd "$work" && go build -mod=mod -ldflags '-s -w' -o "$tools/opampsupervisor" \
    github.com/open-telemetry/opentelemetry-collector-contrib/cmd/opampsupervisor)
fi
if [ ! -x "$tools/otelcol-muster" ]; then
  echo "building a Collector ..."
  go install -ldflags '-s -w' go.opentelemetry.io/collector/cmd/builder@v0.149.0
  (cd "$work" && "$tools/builder" --config "$here/builder.yaml" --output-path "$work/collector" >/dev/null)
  cp "$work/collector/otelcol-muster" "$tools/"
fi
echo "ready in .muster/tools: grpcurl, opampsupervisor, otelcol-muster"
