#!/usr/bin/env bash
# stage.sh NAME COMMAND…: say what begins, run it, say how it ended and how long
# it took. The exit status is the command's.
set -uo pipefail
name=$1
shift
began=$SECONDS
echo "==> $name"
"$@"
status=$?
if ((status == 0)); then
	echo "<== $name: ok, $((SECONDS - began)) s"
else
	echo "<== $name: FAILED with status $status after $((SECONDS - began)) s" >&2
fi
exit "$status"
