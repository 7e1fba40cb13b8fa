#!/usr/bin/env bash
# staticcheck, at the version that hack/tools/lint pins, over both modules with
# code, tests and tagged files included.
set -euo pipefail
root=$PWD
go -C hack/tools/lint build -o "$root/bin/staticcheck" honnef.co/go/tools/cmd/staticcheck
bin/staticcheck -tags e2e ./...
cd deploy/examples/remindme
"$root/bin/staticcheck" ./...
