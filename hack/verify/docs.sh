#!/usr/bin/env bash
# docs/reference is what hack/cmd/gendocs makes of the code.
# Remedy: make update-docs.
set -euo pipefail
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
go run ./hack/cmd/gendocs "$fresh"
if ! diff -ru docs/reference "$fresh"; then
	echo 'docs/reference is not what the code says; run make update-docs' >&2
	exit 1
fi
