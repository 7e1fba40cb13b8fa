#!/usr/bin/env bash
# Every Go file is formatted as gofmt does it. Remedy: make update-gofmt.
set -euo pipefail
found=$(gofmt -l .)
if [[ -n $found ]]; then
	printf 'not formatted; run make update-gofmt:\n%s\n' "$found" >&2
	exit 1
fi
