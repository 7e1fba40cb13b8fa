package doctor

import diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"

// Test is one check.
type Test struct {
	// ID is its name in the output, which never changes.
	ID    string
	Title string
	// Looks is what it looks at, and by which rights.
	Looks string
	run   func(*Snapshot, *outcome)
}

// Catalogue returns all checks, in the order of the output.
func Catalogue() []Test {
	return []Test{
		{"version", "the version of kube-apiserver", "GET /version", checkVersion},
		{"autoscaling-v2", "autoscaling/v2 is served", "GET /apis/autoscaling", checkAutoscaling},
		{"aggregation-layer", "kube-apiserver can ask aggregated API servers",
			"answers of the metrics APIs; where there are none, get on the ConfigMap kube-system/extension-apiserver-authentication", checkAggregation},
		{"resource-metrics", ResourceMetrics + " is registered, and answers", looksAtAPI, func(s *Snapshot, o *outcome) { s.metricsAPI(ResourceMetrics, o) }},
		{"custom-metrics", CustomMetrics + " is registered, and answers", looksAtAPI, func(s *Snapshot, o *outcome) { s.metricsAPI(CustomMetrics, o) }},
		{"external-metrics", ExternalMetrics + " is registered, and answers", looksAtAPI, func(s *Snapshot, o *outcome) { s.metricsAPI(ExternalMetrics, o) }},
		{"diagnostics", diagnostics.GroupVersion.Group + " answers, where it is registered", "list on apiservices, GET /apis/GROUP/VERSION", checkDiagnostics},
		{"ca-bundle", "nobody else writes the caBundle of these APIs", "list on apiservices with their managedFields; list on deployments of whom they name", checkCABundle},
		{"hpa-controller-role", "the HPA controller may read metrics, and scale",
			"create on subjectaccessreviews, which stores nothing; or get on the clusterrole and the clusterrolebinding " + ControllerRole, checkRole},
		{"feature-gates", "the feature gates of kube-apiserver that HPAs know", "GET /metrics of kube-apiserver", checkGates},
		{"clock", "the clocks agree", "the Date of kube-apiserver's answer, list on leases of kube-node-lease, kube-controller-manager's Lease, conditions of HPAs", checkClock},
		{"adapter", "who serves the metrics is ready", "get on services, list on pods and deployments, in the namespaces that APIServices name", checkBackends},
		{"policy-controller", "loadline-policy is ready, where there are policies", "list on autoscalingpolicies and on deployments", checkController},
		{"source", "a source answers", "list on metrics.diagnostics.loadline.dev or, where that is not there, the values that HPAs have", checkSource},
		{"rules", "each rule gives a metric", "the ConfigMap of the adapter's --config (get on configmaps), and what the metrics APIs list", checkRules},
		{"metrics-served", "HPAs ask for metrics that somebody serves", "list on horizontalpodautoscalers, and what the metrics APIs list", checkServed},
		{"hpa-active", "the HPA controller runs, and can act on each HPA", "get on the Lease kube-system/kube-controller-manager, list on horizontalpodautoscalers", checkActive},
		{"requests", "pods request what HPAs compute a share of", "list on horizontalpodautoscalers, deployments, statefulsets and limitranges", checkRequests},
	}
}

const looksAtAPI = "list on apiservices, GET /apis/GROUP/VERSION, list on horizontalpodautoscalers"
