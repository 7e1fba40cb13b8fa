#!/usr/bin/env bash
# deploy/chart/files has copies of what the chart takes over as it stands: a package of the
# chart holds nothing outside of its directory, and tools that fetch charts from Git leave
# symbolic links out. chart.sh verify: fail with the difference. chart.sh update: copy.
set -euo pipefail
mode=${1:?verify or update}
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
mkdir -p "$fresh"/{adapter,policy,admission}
cp deploy/base/rbac-{autoscaling,delegated-auth,objects,scraping,users}.yaml \
	deploy/base/{config,pdb}.yaml deploy/monitoring/prometheusrule-adapter.yaml "$fresh/adapter/"
cp deploy/overlays/prometheus/config.yaml "$fresh/adapter/config-prometheus.yaml"
cp deploy/components/more-kinds/rbac.yaml "$fresh/adapter/rbac-more-kinds.yaml"
cp deploy/components/resource-metrics/rbac.yaml "$fresh/adapter/rbac-usage.yaml"
cp deploy/components/scrape-servicemonitor/binding.yaml "$fresh/adapter/rbac-scraper.yaml"
cp deploy/components/scrape-servicemonitor/discovery.yaml "$fresh/adapter/rbac-discovery.yaml"
cp deploy/components/cert-manager/ca.yaml "$fresh/adapter/"
cp deploy/policy/controller/rbac{,-adapter,-switch,-targets,-users}.yaml \
	deploy/policy/controller/{admission-rights,pdb}.yaml deploy/monitoring/prometheusrule-policy.yaml "$fresh/policy/"
cp deploy/components/policy-webhook/{configuration,service,rbac-pods}.yaml "$fresh/policy/"
cp deploy/components/policy-webhook/rbac-certificate.yaml deploy/components/policy-webhook/secret.yaml "$fresh/policy/"
cp deploy/components/policy-webhook-cert-manager/ca.yaml "$fresh/policy/"
cp deploy/components/policy-scrape-podmonitor/podmonitor.yaml "$fresh/policy/"
cp deploy/components/policy-scrape-podmonitor/discovery.yaml "$fresh/policy/rbac-discovery.yaml"
cp deploy/admission/[0-9]*.yaml "$fresh/admission/"
cp deploy/crd/loadline.dev_autoscalingpolicies.yaml "$fresh/crd.yaml"
if [[ $mode == update ]]; then
	rm -rf deploy/chart/files
	cp -r "$fresh" deploy/chart/files
	chmod 755 deploy/chart/files
elif ! diff -ru "$fresh" deploy/chart/files; then
	echo 'deploy/chart/files is not what deploy has; run make update-chart' >&2
	exit 1
fi
