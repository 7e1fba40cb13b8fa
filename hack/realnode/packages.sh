#!/usr/bin/env bash
# The Debian packages that a real node needs, in the versions that Debian has: packages.sh
# installs what is missing, where root and apt-get are to be had. Otherwise it says what is
# missing, and fails if LOADLINE_NODE=required, for who expects the node there. Its exit code is
# 0 if everything is there, 75 (EX_TEMPFAIL) if the node is to be skipped, 1 if it may not be.
set -euo pipefail

# One program of each package, which may as well have come from elsewhere.
declare -A program=(
	[containerd]=/usr/bin/containerd
	[runc]=/usr/sbin/runc
	[containernetworking-plugins]=/usr/lib/cni/bridge
	[iptables]=/usr/sbin/iptables
	[nftables]=/usr/sbin/nft
	[conntrack]=/usr/sbin/conntrack
	[iproute2]=/usr/sbin/ip
	[buildah]=/usr/bin/buildah
)

missing() {
	local package
	for package in "${!program[@]}"; do
		[[ -x ${program[$package]} ]] || echo "$package"
	done | sort
}

give_up() {
	echo "==================================================================" >&2
	echo "THE REAL NODE IS NOT TESTED HERE: $1" >&2
	echo "==================================================================" >&2
	if [[ ${LOADLINE_NODE:-} == required ]]; then
		echo "LOADLINE_NODE=required: that is a failure" >&2
		exit 1
	fi
	exit 75
}

[[ $(uname -s) == Linux ]] || give_up "it needs Linux"
[[ $(id -u) == 0 ]] || give_up "it needs root, for namespaces, mounts and cgroups"
packages=$(missing)
if [[ -n $packages ]]; then
	command -v apt-get >/dev/null || give_up "there is no apt-get to install $(xargs <<<"$packages")"
	# The services that the packages would start are not wanted: the node runs its own.
	policy=/usr/sbin/policy-rc.d
	if [[ ! -e $policy ]]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
		trap 'rm -f "$policy"' EXIT
	fi
	export DEBIAN_FRONTEND=noninteractive
	log=$(mktemp)
	# shellcheck disable=SC2086 # one word each
	if ! { apt-get update && apt-get install -y --no-install-recommends $packages; } >"$log" 2>&1; then
		tail -20 "$log" >&2
		rm -f "$log"
		give_up "apt-get does not install $(xargs <<<"$packages")"
	fi
	rm -f "$log"
	packages=$(missing)
	[[ -z $packages ]] || give_up "after installing them there is still no program of $(xargs <<<"$packages")"
fi
for package in $(printf '%s\n' "${!program[@]}" | sort); do
	dpkg-query -W -f '${Package} ${Version}\n' "$package" 2>/dev/null || echo "$package: ${program[$package]}, not from its package"
done
