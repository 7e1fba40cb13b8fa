#!/usr/bin/env bash
# deploy/monitoring has what hack/cmd/genmonitoring makes of its rule files and of the
# dashboard's program. Remedy: make update-monitoring.
set -euo pipefail
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
go run ./hack/cmd/genmonitoring deploy/monitoring "$fresh"
if ! diff -ru --exclude='*.rules.yaml' deploy/monitoring "$fresh"; then
	echo 'deploy/monitoring is not what is generated; run make update-monitoring' >&2
	exit 1
fi
