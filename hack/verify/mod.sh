#!/usr/bin/env bash
# go.mod and go.sum of every module are what go mod tidy makes of them.
# mod.sh verify: fail with the difference. mod.sh update: write it.
set -euo pipefail
mode=${1:?verify or update}
failed=0
while read -r file; do
	dir=$(dirname "$file")
	if [[ $mode == update ]]; then
		(cd "$dir" && go mod tidy)
	elif ! (cd "$dir" && go mod tidy -diff); then
		echo "$file or its go.sum is not tidy; run make update-mod" >&2
		failed=1
	fi
done < <(git ls-files --cached --others --exclude-standard '*go.mod')
exit "$failed"
