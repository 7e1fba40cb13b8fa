#!/usr/bin/env bash
# The Debian packages that a real node needs, in the versions that Debian has: packages.sh
# installs what is missing, where root and apt-get are to be had. Otherwise it says what is
# missing, and fails if LOADLINE_NODE=required, for who expects the node there. Its exit code is
# 0 if everything is there, 75 (EX_TEMPFAIL) if the node is to be skipped, 1 if it may not be.
# It says what it installs, and leaves no service running or enabled that was not before.
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

# Docker's package has runc elsewhere, and Debian's would take its place.
missing() {
	local package
	for package in "${!program[@]}"; do
		[[ -x ${program[$package]} ]] || { [[ $package == runc ]] && command -v runc >/dev/null; } || echo "$package"
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

# apt_get TIME ARGUMENT…: apt-get, which asks nothing, removes nothing and waits for nobody for
# long. What it says goes where the caller says.
apt_get() {
	DEBIAN_FRONTEND=noninteractive timeout --kill-after=10s "$1" apt-get --no-remove \
		-o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 -o Acquire::Retries=2 -o DPkg::Lock::Timeout=60 \
		"${@:2}" </dev/null
}

# enabled are the units that start with the machine. --root reads files, whether or not
# systemd runs.
enabled() {
	systemctl --root=/ list-unit-files --state=enabled --no-legend --no-pager 2>/dev/null | awk '{print $1}' | sort
}

# What the network gives has its deadline apart: to kill dpkg leaves packages half installed, so
# that it has ten minutes where it needs one.
get() {
	apt_get 1m update &&
		apt_get 2m install -y --no-install-recommends --download-only "$@" &&
		deny_services &&
		apt_get 10m install -y --no-install-recommends --no-download "$@"
}

# The services that packages would start are not wanted: the node runs its own. The file says
# whose it is, so that one that was left by a run that was killed is known and goes with this one.
policy=/usr/sbin/policy-rc.d
mark='# of hack/realnode/packages.sh'
made=
deny_services() {
	[[ ! -e $policy ]] || grep -qxF "$mark" "$policy" || return 0
	made=$policy
	printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
	chmod 755 "$policy"
}

[[ $(uname -s) == Linux ]] || give_up "it needs Linux"
[[ $(id -u) == 0 ]] || give_up "it needs root, for namespaces, mounts and cgroups"
if command -v unshare >/dev/null && ! unshare --net --mount --pid --fork true 2>/dev/null; then
	give_up "this root may not make namespaces, as in most containers"
fi
packages=$(missing)
if [[ -n $packages ]]; then
	mapfile -t wanted <<<"$packages"
	command -v apt-get >/dev/null || give_up "there is no apt-get to install ${wanted[*]}"
	echo "the real node needs Debian packages that are not here; apt-get installs ${wanted[*]}, in a quarter of an hour at most" >&2
	log=$(mktemp)
	trap 'rm -f "$log" ${made:+"$made"}' EXIT
	# With these the shell waits for apt-get, puts in order what it has done, and then ends.
	ended=
	trap 'ended=130' INT
	trap 'ended=143' TERM HUP
	if [[ -e $policy ]] && grep -qxF "$mark" "$policy"; then
		made=$policy
	fi
	before=$(enabled) || before=unknown
	status=0
	get "${wanted[@]}" >"$log" 2>&1 || status=$?
	# Nor are they with the next start of the machine, also where the installation broke off.
	if [[ $before != unknown ]]; then
		mapfile -t units < <(comm -13 <(echo "$before") <(enabled))
		if ((${#units[@]})); then
			systemctl --root=/ disable "${units[@]}" >>"$log" 2>&1 ||
				echo "cannot disable what the packages have enabled: ${units[*]}" >&2
		fi
	fi
	[[ -z $ended ]] || exit "$ended"
	if ((status)); then
		tail -20 "$log" >&2
		((status == 124 || status == 137)) && echo "apt-get was not done in time" >&2
		give_up "apt-get does not install ${wanted[*]}"
	fi
	packages=$(missing)
	[[ -z $packages ]] || give_up "after installing them there is still no program of $(xargs <<<"$packages")"
fi
for package in $(printf '%s\n' "${!program[@]}" | sort); do
	dpkg-query -W -f '${Package} ${Version}\n' "$package" 2>/dev/null || echo "$package: ${program[$package]}, not from its package"
done
