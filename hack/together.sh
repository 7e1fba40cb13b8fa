#!/usr/bin/env bash
# together.sh NAME COMMAND [NAME COMMAND]…: run shell commands at the same time,
# each as a stage, their output line by line behind their names. For what waits
# more than it computes. The exit status is 1 if any of them failed, and then the
# last lines say which tests: thousands of lines of the others may stand between.
set -uo pipefail
stage=$(dirname "${BASH_SOURCE[0]}")/stage.sh
pids=() names=()
outputs=$(mktemp -d)
trap 'rm -rf "$outputs"' EXIT
while (($# >= 2)); do
	# The last line may have no end when the command is killed, hence printf's.
	# The reader outlives Ctrl-C, to show how the command ends.
	(
		set -o pipefail
		"$stage" "$1" bash -euo pipefail -c "$2" </dev/null 2>&1 | {
			trap '' INT TERM HUP
			while IFS= read -r line || [[ -n $line ]]; do
				printf '[%s] %s\n' "$1" "$line"
			done | tee "$outputs/${#pids[@]}"
		}
	) &
	pids+=($!) names+=("$1")
	shift 2
done
# Ctrl-C reaches them all, for they are of our process group; they stop what they
# started, and we wait for that.
trap : INT TERM HUP
failed=()
for i in "${!pids[@]}"; do
	pid=${pids[i]}
	while true; do
		wait "$pid"
		code=$?
		kill -0 "$pid" 2>/dev/null || break
	done
	((code == 0)) || failed+=("$i")
done
((${#failed[@]})) || exit 0
tests='\] ( *--- FAIL:|panic:)'
for i in "${failed[@]}"; do
	printf '==== what %s said before it failed\n' "${names[i]}"
	grep -E -B 12 "$tests" "$outputs/$i" || tail -n 12 "$outputs/$i"
done
for i in "${failed[@]}"; do
	printf '==== failed: %s\n' "${names[i]}"
	grep -E "$tests" "$outputs/$i"
done
exit 1
