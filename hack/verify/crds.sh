#!/usr/bin/env bash
# deploy/crd and the deep copies of policy/api and provider/api are what controller-gen makes
# of the types, and provider/api/openapi what openapi-gen does, at the versions that
# hack/tools pins.
# crds.sh verify: fail with the difference. crds.sh update: write them.
set -euo pipefail
mode=${1:?verify or update}
root=$PWD
api=policy/api/v1alpha1
served=provider/api/v1alpha1
go -C hack/tools/controller-gen build -o "$root/bin/controller-gen" sigs.k8s.io/controller-tools/cmd/controller-gen
go -C hack/tools/openapi-gen build -o "$root/bin/openapi-gen" k8s.io/kube-openapi/cmd/openapi-gen
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
bin/controller-gen crd "paths=./$api" "output:crd:dir=$fresh/crd"
bin/controller-gen object "paths=./$api" "output:object:dir=$fresh/api"
bin/controller-gen object "paths=./$served" "output:object:dir=$fresh/served"
# openapi-gen writes methods with the models' names beside the types, and goes by them.
head=$fresh/head.txt
: >"$head"
models=$served/zz_generated.model_name.go
cp "$models" "$fresh/models-before" 2>/dev/null || [[ $mode == update ]]
bin/openapi-gen --go-header-file "$head" --report-filename "$fresh/report" \
	--output-model-name-file zz_generated.model_name.go \
	--output-dir "$fresh/openapi" --output-pkg github.com/loadline/loadline/provider/api/openapi \
	--output-file zz_generated.openapi.go "./$served"
cp "$models" "$fresh/models-after"
# What it has not read itself it calls by its Go name. Of apimachinery the server has the
# definitions from elsewhere, by the names that their methods give.
sed -i 's|"k8s\.io/apimachinery/pkg/apis/meta/v1\.|"io.k8s.apimachinery.pkg.apis.meta.v1.|g; s|"k8s\.io/apimachinery/pkg/api/resource\.|"io.k8s.apimachinery.pkg.api.resource.|g' "$fresh"/openapi/zz_generated.openapi.go
[[ $mode == update ]] || cp "$fresh/models-before" "$models"
if [[ $mode == update ]]; then
	mkdir -p deploy/crd
	cp "$fresh"/crd/* deploy/crd/
	cp "$fresh"/api/* "$api/"
	cp "$fresh"/served/* "$served/"
	cp "$fresh"/openapi/* provider/api/openapi/
elif ! diff -u "$fresh"/crd/loadline.dev_autoscalingpolicies.yaml deploy/crd/loadline.dev_autoscalingpolicies.yaml ||
	! diff -u "$fresh"/api/zz_generated.deepcopy.go "$api"/zz_generated.deepcopy.go ||
	! diff -u "$fresh"/served/zz_generated.deepcopy.go "$served"/zz_generated.deepcopy.go ||
	! diff -u "$fresh"/models-after "$models" ||
	! diff -u "$fresh"/openapi/zz_generated.openapi.go provider/api/openapi/zz_generated.openapi.go; then
	echo 'the CRD, the deep copies or the OpenAPI definitions are not what the types say; run make update-crds' >&2
	exit 1
fi
