#!/usr/bin/env bash
# deploy/crd and the deep copies of policy/api are what controller-gen makes of the
# types, at the version that hack/tools/controller-gen pins.
# crds.sh verify: fail with the difference. crds.sh update: write them.
set -euo pipefail
mode=${1:?verify or update}
root=$PWD
api=policy/api/v1alpha1
go -C hack/tools/controller-gen build -o "$root/bin/controller-gen" sigs.k8s.io/controller-tools/cmd/controller-gen
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
bin/controller-gen crd "paths=./$api" "output:crd:dir=$fresh/crd"
bin/controller-gen object "paths=./$api" "output:object:dir=$fresh/api"
if [[ $mode == update ]]; then
	mkdir -p deploy/crd
	cp "$fresh"/crd/* deploy/crd/
	cp "$fresh"/api/* "$api/"
elif ! diff -u "$fresh"/crd/loadline.dev_autoscalingpolicies.yaml deploy/crd/loadline.dev_autoscalingpolicies.yaml ||
	! diff -u "$fresh"/api/zz_generated.deepcopy.go "$api"/zz_generated.deepcopy.go; then
	echo 'the CRD or the deep copies are not what the types say; run make update-crds' >&2
	exit 1
fi
