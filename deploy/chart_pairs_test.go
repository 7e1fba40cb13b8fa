//go:build e2e

package deploy_test

import (
	"fmt"
	"strings"
)

// notOfTheChart are the variants that have no counterpart in the chart, with the reason.
func notOfTheChart() map[string]string {
	return map[string]string{
		"examples/remindme":       "a sample workload",
		"examples/bluegreen":      "a sample workload",
		"everything in one apply": "a sample workload",
	}
}

// ofVariants are the values that make what the variants of the same name are.
func ofVariants() map[string]string {
	const policy = "{adapter: {enabled: false}, policy: {enabled: true}, crds: {install: false}}"
	// with adds lines to those that make loadline-policy alone.
	with := func(values string) string {
		return "adapter: {enabled: false}\ncrds: {install: false}\npolicy: {enabled: true, " + values + "}\n"
	}
	return map[string]string{
		"base":                    "{}",
		"given-certificate":       "adapter: {certificate: {mode: given}}",
		"cert-manager":            "adapter: {certificate: {mode: certManager}}",
		"more-kinds":              "adapter: {moreKinds: true}",
		"metrics-port":            "adapter: {metrics: {port: true}}",
		"prometheus":              "adapter: {prometheus: {url: 'http://prometheus.monitoring.svc:9090'}}",
		"prometheus, more":        "adapter: {prometheus: {url: 'http://prometheus.monitoring.svc:9090'}, moreKinds: true, metrics: {port: true}}",
		"another Prometheus":      "adapter: {prometheus: {url: 'https://thanos.example:443/prefix'}}",
		"resource-metrics":        "adapter: {apiServices: {metrics: true}, config: {" + usage + "}}",
		"scrape-annotations":      "adapter: {metrics: {annotations: true}}",
		"scrape-servicemonitor":   "adapter: {metrics: {serviceMonitor: {enabled: true}}}",
		"given, scraped":          "adapter: {certificate: {mode: given}, metrics: {annotations: true}}",
		"an image of one's own":   "adapter: {image: {repository: registry.example/loadline-adapter, tag: v1}}",
		"policy":                  policy,
		"policy beside a CRD":     "{adapter: {enabled: false}, policy: {enabled: true}}",
		"policy of one's own":     with("image: {repository: registry.example/loadline-policy, tag: v1}"),
		"policy that may switch":  with("switchNamespaces: [shop]"),
		"policy beside warnings":  with("replicas: 2") + "admission: {enabled: true, refuse: false}",
		"policy with its webhook": with("webhook: {enabled: true}"),
		"policy, webhook, given":  with("webhook: {enabled: true, certificate: {mode: given}}"),
		"policy, cert-manager":    with("webhook: {enabled: true, certificate: {mode: certManager}}"),
		"policy, annotated":       with("metrics: {annotations: true}"),
		"policy, monitored":       with("metrics: {podMonitor: {enabled: true}}"),
		"policy, fenced":          with("metrics: {fence: {enabled: true}}"),
		"policy, fenced, asked":   with("webhook: {enabled: true}, metrics: {fence: {enabled: true}}"),
		"adapter and policy":      "{policy: {enabled: true}, crds: {install: false}}",
		"admission":               "{adapter: {enabled: false}, admission: {enabled: true}}",
		"admission that warns":    "{adapter: {enabled: false}, admission: {enabled: true, refuse: false}}",
	}
}

// usage are the rules that the variant with metrics.k8s.io needs; without any the chart
// refuses it.
const usage = `rules: [{seriesQuery: 'up{namespace!="",pod!=""}', resources: {template: '<<.Resource>>'}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}], ` +
	`externalRules: [{seriesQuery: up, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'}], ` +
	`resourceRules: {cpu: {containerLabel: container}, memory: {containerLabel: container}, window: 1m}`

// pairs are the variants, and what else can be said in both ways.
func chartPairs() map[string]pair {
	all := map[string]pair{}
	for name, values := range ofVariants() {
		all[name] = pair{kustomize: variants()[name], values: values}
	}
	const config = "configMapGenerator: [{name: loadline-adapter-config, namespace: loadline-system, behavior: replace, literals: ['config.yaml={TEXT}']}]"
	// withConfig has a configuration of one's own.
	withConfig := func(text string) string {
		return strings.Replace(config, "TEXT", strings.ReplaceAll(text, "'", "''"), 1)
	}
	deleted := func(names ...string) string {
		var out []string
		for _, name := range names {
			out = append(out, "{patch: '{$patch: delete, apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: "+name+"}}'}")
		}
		return strings.Join(out, ", ")
	}
	// patch changes one field of what the target selects; the value is JSON.
	patch := func(target, op, path, value string) string {
		return fmt.Sprintf(`{target: {%s}, patch: '[{"op": %q, "path": %q, "value": %s}]'}`, target, op, path, value)
	}
	adapter := func(op, path, value string) string {
		return patch("kind: Deployment, name: loadline-adapter", op, path, value)
	}
	patches := func(of ...string) string { return "patches: [" + strings.Join(of, ", ") + "]" }
	resourceMetrics := all["resource-metrics"]
	resourceMetrics.kustomize = append(resourceMetrics.kustomize[:len(resourceMetrics.kustomize):len(resourceMetrics.kustomize)], withConfig(usage))
	all["resource-metrics"] = resourceMetrics
	for name, p := range map[string]pair{
		"exporters": {
			kustomize: []string{"resources: [base]", withConfig("exporters: [{name: queue, namespace: shop, service: queue}]")},
			values:    "adapter: {config: {exporters: [{name: queue, namespace: shop, service: queue}]}}",
		},
		"beside another provider of external metrics": {
			kustomize: []string{"resources: [base]", "patches: [" + deleted("v1beta1.external.metrics.k8s.io") + ", " +
				adapter("add", "/spec/template/spec/containers/0/args/-", `"--cert-apiservices=v1beta1.custom.metrics.k8s.io,v1beta2.custom.metrics.k8s.io,v1alpha1.diagnostics.loadline.dev"`) + ", " +
				`{target: {kind: ClusterRole, name: loadline-adapter-certificate}, patch: '[{"op": "remove", "path": "/rules/0/resourceNames/2"}]'}]`},
			values: "adapter: {apiServices: {external: false}}",
		},
		"without diagnostics": {
			kustomize: []string{"resources: [base]", "patches: [" + deleted("v1alpha1.diagnostics.loadline.dev") + ", " +
				adapter("add", "/spec/template/spec/containers/0/args/-", `"--cert-apiservices=v1beta1.custom.metrics.k8s.io,v1beta2.custom.metrics.k8s.io,v1beta1.external.metrics.k8s.io"`) + ", " +
				`{target: {kind: ClusterRole, name: loadline-adapter-certificate}, patch: '[{"op": "remove", "path": "/rules/0/resourceNames/3"}]'}]`},
			values: "adapter: {apiServices: {diagnostics: false}}",
		},
		"external metrics alone, given": {
			kustomize: []string{"resources: [overlays/given-certificate]", "patches: [" + deleted("v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io") + "]"},
			values:    "adapter: {apiServices: {custom: false}, certificate: {mode: given}}",
		},
		"a CA that is given": {
			kustomize: []string{"resources: [overlays/given-certificate]", patches(patch("kind: APIService", "add", "/spec/caBundle", `"QUJD"`))},
			values:    "adapter: {certificate: {mode: given, caBundle: QUJD}}",
		},
		"an issuer of one's own": {
			kustomize: []string{
				"resources: [overlays/given-certificate]", "components: [components/cert-manager]",
				"patches: [{target: {kind: Issuer}, patch: '{$patch: delete, kind: Issuer, metadata: {name: any}}'}, " +
					"{target: {kind: Certificate, name: loadline-adapter-ca}, patch: '{$patch: delete, kind: Certificate, metadata: {name: any}}'}, " +
					patch("kind: Certificate, name: loadline-adapter-serving", "replace", "/spec/issuerRef", `{"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "company"}`) + "]",
			},
			values: "adapter: {certificate: {mode: certManager, issuerRef: {kind: ClusterIssuer, name: company}}}",
		},
		"a CA of the webhook's that is given": {
			kustomize: []string{
				"resources: [policy]", "components: [components/policy-webhook, components/policy-webhook-given-certificate]",
				patches(patch("kind: ValidatingWebhookConfiguration", "add", "/webhooks/0/clientConfig/caBundle", `"QUJD"`),
					patch("kind: ValidatingWebhookConfiguration", "add", "/webhooks/1/clientConfig/caBundle", `"QUJD"`),
					patch("kind: ValidatingWebhookConfiguration", "add", "/webhooks/2/clientConfig/caBundle", `"QUJD"`)),
			},
			values: "{adapter: {enabled: false}, crds: {install: false}, policy: {enabled: true, webhook: {enabled: true, certificate: {mode: given, caBundle: QUJD}}}}",
		},
		"another memory limit": {
			kustomize: []string{"resources: [base]", "patches: [" +
				adapter("replace", "/spec/template/spec/containers/0/resources/limits/memory", `"2Gi"`) + ", " +
				adapter("replace", "/spec/template/spec/containers/0/env/1/value", `"1840MiB"`) + "]"},
			values: "adapter: {resources: {limits: {memory: 2Gi}}}",
		},
		"flags and files of one's own": {
			kustomize: []string{"resources: [overlays/prometheus]", "patches: [" +
				adapter("add", "/spec/template/spec/containers/0/args/-", `"--prometheus-token-file=/etc/token/token"`) + ", " +
				adapter("add", "/spec/template/spec/containers/0/volumeMounts/-", `{"name": "token", "mountPath": "/etc/token"}`) + ", " +
				adapter("add", "/spec/template/spec/volumes/-", `{"name": "token", "secret": {"secretName": "token"}}`) + ", " +
				adapter("add", "/spec/template/spec/priorityClassName", `"system-cluster-critical"`) + "]"},
			values: "adapter: {prometheus: {url: 'http://prometheus.monitoring.svc:9090'}, priorityClassName: system-cluster-critical, extraArgs: [--prometheus-token-file=/etc/token/token], " +
				"extraVolumeMounts: [{name: token, mountPath: /etc/token}], extraVolumes: [{name: token, secret: {secretName: token}}]}",
		},
		"a Prometheus elsewhere": {
			kustomize: []string{
				"resources: [base]", "components: [components/scrape-servicemonitor]",
				patches(patch("kind: ClusterRoleBinding, name: loadline-adapter-scraper", "replace", "/subjects/0/namespace", `"watch"`), patch("kind: ClusterRoleBinding, name: loadline-adapter-scraper", "replace", "/subjects/0/name", `"prom"`),
					patch("kind: RoleBinding, name: loadline-adapter-discovery", "replace", "/subjects/0/namespace", `"watch"`), patch("kind: RoleBinding, name: loadline-adapter-discovery", "replace", "/subjects/0/name", `"prom"`)),
			},
			values: "adapter: {metrics: {serviceMonitor: {enabled: true, prometheus: {namespace: watch, serviceAccount: prom}}}}",
		},
		"alerts": {
			kustomize: []string{"resources: [overlays/everything]"},
			values:    "{crds: {install: false}, adapter: {metrics: {prometheusRule: {enabled: true}}}, policy: {enabled: true, metrics: {prometheusRule: {enabled: true}}}}",
			files:     []string{"monitoring/prometheusrule-adapter.yaml", "monitoring/prometheusrule-policy.yaml"},
		},
		"admission without one": {
			kustomize: []string{"resources: [admission]", "patches: [" +
				"{target: {kind: ValidatingAdmissionPolicy, name: loadline-04-.*}, patch: '{$patch: delete, kind: ValidatingAdmissionPolicy, metadata: {name: any}}'}, " +
				"{target: {kind: ValidatingAdmissionPolicyBinding, name: loadline-04-.*}, patch: '{$patch: delete, kind: ValidatingAdmissionPolicyBinding, metadata: {name: any}}'}]"},
			values: "{adapter: {enabled: false}, admission: {enabled: true, without: ['04']}}",
		},
	} {
		all[name] = p
	}
	return all
}
