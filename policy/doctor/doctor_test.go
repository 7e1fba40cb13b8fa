package doctor_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/doctor"
	"github.com/loadline/loadline/policy/guard"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// from reads an object that is written in YAML.
func from[T any](t *testing.T, text string) T {
	t.Helper()
	var object T
	if err := yaml.UnmarshalStrict([]byte(text), &object); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return object
}

func ok[T any](v T) doctor.Read[T] { return doctor.Read[T]{Value: v} }

func forbidden(right string) *doctor.Unread {
	return &doctor.Unread{Reason: "you may not read it", Right: right}
}

func absent() *doctor.Unread { return &doctor.Unread{Reason: "there is none", Absent: true} }

const (
	adapterName = "loadline-adapter"
	ownedBundle = `managedFields: [{manager: MANAGER, operation: Update, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:caBundle": {}}}}]`
)

func apiService(t *testing.T, version, group, namespace, service string) apiregistrationv1.APIService {
	owned := strings.ReplaceAll(ownedBundle, "MANAGER", service)
	return from[apiregistrationv1.APIService](t, `
metadata: {name: `+version+`.`+group+`, `+owned+`}
spec: {group: `+group+`, version: `+version+`, caBundle: Q0E=, service: {namespace: `+namespace+`, name: `+service+`}}
status: {conditions: [{type: Available, status: "True", reason: Passed}]}
`)
}

func resources(names ...string) doctor.Read[metav1.APIResourceList] {
	var l metav1.APIResourceList
	for _, n := range names {
		l.APIResources = append(l.APIResources, metav1.APIResource{Name: n})
	}
	return ok(l)
}

func backend(t *testing.T, name string, args ...string) *doctor.Backend {
	d := from[appsv1.Deployment](t, `
metadata: {namespace: system, name: `+name+`}
spec:
  replicas: 2
  template:
    spec:
      containers: [{name: adapter, volumeMounts: [{name: config, mountPath: /etc/loadline}]}]
      volumes: [{name: config, configMap: {name: rules}}]
status: {readyReplicas: 2}
`)
	d.Spec.Template.Spec.Containers[0].Args = args
	pod := func(n string) corev1.Pod {
		return from[corev1.Pod](t, `{metadata: {namespace: system, name: `+n+`}, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}`)
	}
	return &doctor.Backend{
		Service: ok(corev1.Service{}), Deployments: ok([]appsv1.Deployment{d}), Pods: ok([]corev1.Pod{pod(name + "-0"), pod(name + "-1")}),
	}
}

const rules = `
rules:
- seriesQuery: http_requests_total{namespace!="",pod!=""}
  resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
  name: {matches: ^(.*)_total$, as: "${1}_per_second"}
  metricsQuery: sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)
externalRules:
- seriesQuery: queue_depth{namespace!=""}
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: max(<<.Series>>{<<.LabelMatchers>>}) by (queue)
`

// web is an HPA that scales by a share of CPU, a metric of its pods and a queue.
const web = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {namespace: shop, name: web, creationTimestamp: "2026-06-01T10:00:00Z"}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 6
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}
  - {type: Pods, pods: {metric: {name: http_requests_per_second}, target: {type: AverageValue, averageValue: "20"}}}
  - {type: External, external: {metric: {name: Queue_depth}, target: {type: AverageValue, averageValue: "10"}}}
status:
  desiredReplicas: 2
  currentMetrics:
  - {type: Resource, resource: {name: cpu, current: {averageUtilization: 20, averageValue: 100m}}}
  - {type: Pods, pods: {metric: {name: http_requests_per_second}, current: {averageValue: "7"}}}
  - {type: ""}
  conditions:
  - {type: AbleToScale, status: "True", reason: ReadyForNewScale, lastTransitionTime: "2026-06-01T11:00:00Z"}
  - {type: ScalingActive, status: "True", reason: ValidMetricFound, lastTransitionTime: "2026-06-01T11:00:00Z"}
`

const webDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: shop, name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app, image: x, resources: {requests: {cpu: 500m}}}]}}
`

// renewed is kube-controller-manager's Lease, renewed some time before kube-apiserver's Date.
func renewed(ago time.Duration) coordinationv1.Lease {
	return coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-controller-manager"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To("master-1_uid"), RenewTime: &metav1.MicroTime{Time: now.Add(-time.Second - ago)}},
	}
}

// healthy is a cluster with all that HPAs need.
func healthy(t *testing.T) *doctor.Snapshot {
	hpa, deployment := from[autoscalingv2.HorizontalPodAutoscaler](t, web), from[appsv1.Deployment](t, webDeployment)
	access := doctor.Asked()
	for i := range access {
		access[i].Allowed = ok(true)
	}
	adapter := backend(t, adapterName, "--config=/etc/loadline/config.yaml", "--cert-secret=system/tls")
	adapter.Config = ok(rules)
	s := &doctor.Snapshot{
		Server:      ok(doctor.Server{Version: version.Info{Major: "1", Minor: "37", GitVersion: "v1.37.2"}, Date: now.Add(-time.Second), Sent: now.Add(-time.Second), Received: now.Add(-time.Second)}),
		Autoscaling: ok(metav1.APIGroup{Versions: []metav1.GroupVersionForDiscovery{{Version: "v2"}, {Version: "v1"}}}),
		FrontProxy:  ok(map[string]string{"requestheader-client-ca-file": "CA"}),
		APIServices: ok([]apiregistrationv1.APIService{
			apiService(t, "v1beta1", doctor.ResourceMetrics, "system", "metrics-server"),
			apiService(t, "v1beta1", doctor.CustomMetrics, "system", adapterName),
			apiService(t, "v1beta2", doctor.CustomMetrics, "system", adapterName),
			apiService(t, "v1beta1", doctor.ExternalMetrics, "system", adapterName),
			apiService(t, "v1alpha1", "diagnostics.loadline.dev", "system", adapterName),
		}),
		Discovery: map[string]doctor.Read[metav1.APIResourceList]{
			"metrics.k8s.io/v1beta1":            resources("nodes", "pods"),
			"custom.metrics.k8s.io/v1beta1":     resources("pods/http_requests_per_second", "namespaces/http_requests_per_second"),
			"custom.metrics.k8s.io/v1beta2":     resources("pods/http_requests_per_second", "namespaces/http_requests_per_second"),
			"external.metrics.k8s.io/v1beta1":   resources("queue_depth"),
			"diagnostics.loadline.dev/v1alpha1": resources("metrics"),
		},
		Backends: map[types.NamespacedName]*doctor.Backend{
			{Namespace: "system", Name: adapterName}:      adapter,
			{Namespace: "system", Name: "metrics-server"}: backend(t, "metrics-server"),
		},
		Access:       access,
		Gates:        ok(map[string]bool{"HPAScaleToZero": true}),
		Leases:       ok([]coordinationv1.Lease{{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-node-lease", Name: "node-1"}, Spec: coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: now.Add(-4 * time.Second)}}}}),
		ManagerLease: ok(renewed(2 * time.Second)),
		HPAs:         ok([]autoscalingv2.HorizontalPodAutoscaler{hpa}),
		Workloads: guard.Snapshot{
			Source: guard.Live, Now: now, Gathered: map[guard.Kind]bool{guard.HorizontalPodAutoscaler: true, guard.Deployment: true, guard.LimitRange: true},
			HPAs: []*autoscalingv2.HorizontalPodAutoscaler{&hpa}, Deployments: []*appsv1.Deployment{&deployment},
		},
		Policies: ok([]v1alpha1.AutoscalingPolicy{{}}),
		Controllers: ok([]appsv1.Deployment{from[appsv1.Deployment](t,
			`{metadata: {namespace: system, name: loadline-policy}, spec: {replicas: 2, template: {}}, status: {readyReplicas: 2}}`)}),
		Now: now,
	}
	return s
}

func TestCheck(t *testing.T) {
	type snapshot = *doctor.Snapshot
	adapterOf := func(s snapshot) *doctor.Backend {
		return s.Backends[types.NamespacedName{Namespace: "system", Name: adapterName}]
	}
	for name, tc := range map[string]struct {
		edit func(snapshot)
		// states are those of the checks that are not ok.
		states map[string]doctor.State
		// has are texts of the check that stands first in the list, by where they are.
		of, seen, remedy, right string
	}{
		"all is well": {edit: func(snapshot) {}, of: "custom-metrics", seen: "v1beta2.custom.metrics.k8s.io by system/loadline-adapter, which lists 2 metrics"},
		"a version that is too old": {
			edit:   func(s snapshot) { s.Server.Value.Version.Minor = "29" },
			states: map[string]doctor.State{"version": doctor.Fail}, of: "version", remedy: "1.30 or later",
		},
		"a version that is not known": {
			edit:   func(s snapshot) { s.Server.Value.Version.Minor = "38+" },
			states: map[string]doctor.State{"version": doctor.Warn}, of: "version", seen: "made for, 1.34 to 1.37",
		},
		"no autoscaling/v2": {
			edit:   func(s snapshot) { s.Autoscaling.Value.Versions = s.Autoscaling.Value.Versions[1:] },
			states: map[string]doctor.State{"autoscaling-v2": doctor.Fail}, of: "autoscaling-v2", remedy: "--runtime-config",
		},
		"no aggregation layer": {
			edit: func(s snapshot) {
				s.FrontProxy.Value = map[string]string{"client-ca-file": "CA"}
				for gv := range s.Discovery {
					s.Discovery[gv] = doctor.Read[metav1.APIResourceList]{Unread: &doctor.Unread{Reason: "503"}}
				}
			},
			states: map[string]doctor.State{
				"aggregation-layer": doctor.Fail, "resource-metrics": doctor.Fail, "custom-metrics": doctor.Fail, "external-metrics": doctor.Fail,
				"diagnostics": doctor.Fail, "rules": doctor.Unknown, "metrics-served": doctor.Unknown,
			},
			of: "aggregation-layer", seen: "has no requestheader-client-ca-file", remedy: "--proxy-client-cert-file",
		},
		"nobody serves custom metrics": {
			edit: func(s snapshot) {
				s.APIServices.Value = append(s.APIServices.Value[:1:1], s.APIServices.Value[3:]...)
				delete(s.Discovery, "custom.metrics.k8s.io/v1beta1")
				delete(s.Discovery, "custom.metrics.k8s.io/v1beta2")
				s.HPAs.Value[0].Status.CurrentMetrics = nil
			},
			states: map[string]doctor.State{"custom-metrics": doctor.Fail, "source": doctor.Unknown, "metrics-served": doctor.Fail},
			of:     "custom-metrics", seen: "nobody is registered for custom.metrics.k8s.io, and 1 HPA asks for it", remedy: "install loadline-adapter",
		},
		"nobody serves usage, and nobody asks": {
			edit: func(s snapshot) {
				s.APIServices.Value = s.APIServices.Value[1:]
				s.HPAs.Value[0].Spec.Metrics = s.HPAs.Value[0].Spec.Metrics[1:]
				s.HPAs.Value[0].Status.CurrentMetrics = s.HPAs.Value[0].Status.CurrentMetrics[1:]
			},
			states: map[string]doctor.State{"resource-metrics": doctor.Warn}, of: "resource-metrics", seen: "no HPA asks for it", remedy: "install metrics-server",
		},
		"no endpoints": {
			edit: func(s snapshot) {
				s.APIServices.Value[3].Status.Conditions[0] = apiregistrationv1.APIServiceCondition{Type: apiregistrationv1.Available, Status: "False", Reason: "MissingEndpoints", Message: "no addresses"}
			},
			states: map[string]doctor.State{"external-metrics": doctor.Fail},
			of:     "external-metrics", seen: "v1beta1.external.metrics.k8s.io of system/loadline-adapter is not available: MissingEndpoints: no addresses", remedy: "breaks discovery and the deletion of namespaces",
		},
		"a certificate of another CA": {
			edit: func(s snapshot) {
				s.APIServices.Value[2].Status.Conditions[0] = apiregistrationv1.APIServiceCondition{Type: apiregistrationv1.Available, Status: "False", Reason: "FailedDiscoveryCheck", Message: "tls: x509: certificate signed by unknown authority"}
			},
			states: map[string]doctor.State{"custom-metrics": doctor.Fail}, of: "custom-metrics", remedy: "who writes the caBundle",
		},
		"versions by different Services": {
			edit:   func(s snapshot) { s.APIServices.Value[1].Spec.Service.Name = "metrics-server" },
			states: map[string]doctor.State{"custom-metrics": doctor.Warn}, of: "custom-metrics", seen: "system/metrics-server, system/loadline-adapter",
		},
		"a version that the controller does not know": {
			edit: func(s snapshot) {
				s.APIServices.Value[3].Spec.Version = "v1"
				s.Discovery["external.metrics.k8s.io/v1"] = s.Discovery["external.metrics.k8s.io/v1beta1"]
			},
			states: map[string]doctor.State{"external-metrics": doctor.Fail}, of: "external-metrics", seen: "knows none of these versions",
		},
		"our own API": {
			edit: func(snapshot) {}, of: "diagnostics", seen: "v1alpha1.diagnostics.loadline.dev by system/loadline-adapter",
		},
		"our own API is not registered": {
			edit: func(s snapshot) { s.APIServices.Value = s.APIServices.Value[:4] },
			of:   "diagnostics", seen: "nobody is registered for diagnostics.loadline.dev, which HPAs do not need",
		},
		"our own API is not available": {
			edit: func(s snapshot) {
				s.APIServices.Value[4].Status.Conditions[0] = apiregistrationv1.APIServiceCondition{Type: apiregistrationv1.Available, Status: "False", Reason: "FailedDiscoveryCheck", Message: "no route"}
			},
			states: map[string]doctor.State{"diagnostics": doctor.Fail},
			of:     "diagnostics", seen: "v1alpha1.diagnostics.loadline.dev of system/loadline-adapter is not available: FailedDiscoveryCheck: no route", remedy: "delete the APIService v1alpha1.diagnostics.loadline.dev",
		},
		"somebody else wrote the caBundle of our own API": {
			edit:   func(s snapshot) { s.APIServices.Value[4].ManagedFields[0].Manager = "argocd-controller" },
			states: map[string]doctor.State{"ca-bundle": doctor.Fail}, of: "ca-bundle", seen: "v1alpha1.diagnostics.loadline.dev: loadline-adapter writes its caBundle, and argocd-controller did, too",
		},
		"cert-manager beside us": {
			edit: func(s snapshot) {
				s.APIServices.Value[3].Annotations = map[string]string{"cert-manager.io/inject-ca-from": "system/x"}
			},
			states: map[string]doctor.State{"ca-bundle": doctor.Fail}, of: "ca-bundle", seen: "and so does cert-manager by the annotation cert-manager.io/inject-ca-from", remedy: "give loadline-adapter no --cert-secret",
		},
		"cert-manager alone": {
			edit: func(s snapshot) {
				for i := range s.APIServices.Value {
					s.APIServices.Value[i].Annotations = map[string]string{"cert-manager.io/inject-ca-from": "system/x"}
					s.APIServices.Value[i].ManagedFields[0].Manager = "cert-manager-cainjector"
				}
				adapterOf(s).Deployments.Value[0].Spec.Template.Spec.Containers[0].Args = []string{"--config", "/etc/loadline/config.yaml"}
			},
			of: "ca-bundle", seen: "written by cert-manager-cainjector: v1beta1.metrics.k8s.io, v1beta1.custom.metrics.k8s.io",
		},
		"somebody else wrote ours": {
			edit:   func(s snapshot) { s.APIServices.Value[1].ManagedFields[0].Manager = "kubectl-edit" },
			states: map[string]doctor.State{"ca-bundle": doctor.Fail}, of: "ca-bundle", seen: "and kubectl-edit did, too",
		},
		"two others": {
			edit: func(s snapshot) {
				m := s.APIServices.Value[0].ManagedFields
				m = append(m, m[0])
				m[1].Manager = "ci"
				s.APIServices.Value[0].ManagedFields = m
			},
			states: map[string]doctor.State{"ca-bundle": doctor.Fail}, of: "ca-bundle", seen: "written by metrics-server and ci",
		},
		"nobody verifies": {
			edit: func(s snapshot) {
				s.APIServices.Value[0].Spec.CABundle, s.APIServices.Value[0].Spec.InsecureSkipTLSVerify = nil, true
			},
			states: map[string]doctor.State{"ca-bundle": doctor.Warn}, of: "ca-bundle", seen: "trusts whoever answers for system/metrics-server",
		},
		"the controller lost a right": {
			edit:   func(s snapshot) { s.Access[4].Allowed.Value = false },
			states: map[string]doctor.State{"hpa-controller-role": doctor.Fail}, of: "hpa-controller-role", seen: "may not get pods/loadline-doctor in the group custom.metrics.k8s.io", remedy: "autoupdate",
		},
		"reviews are refused, and the role is whole": {
			edit: func(s snapshot) { reviewsRefused(t, s, "*", "system:controller:horizontal-pod-autoscaler") },
			of:   "hpa-controller-role", seen: "the ClusterRole system:controller:horizontal-pod-autoscaler lets",
		},
		"reviews are refused, and the role lacks a group": {
			edit: func(s snapshot) {
				reviewsRefused(t, s, "custom.metrics.k8s.io", "system:controller:horizontal-pod-autoscaler")
			},
			states: map[string]doctor.State{"hpa-controller-role": doctor.Fail}, of: "hpa-controller-role", seen: "does not let the HPA controller list pods in the group metrics.k8s.io, nor list loadline-doctor in the group external.metrics.k8s.io",
		},
		"reviews are refused, and the binding is of another role": {
			edit:   func(s snapshot) { reviewsRefused(t, s, "*", "view") },
			states: map[string]doctor.State{"hpa-controller-role": doctor.Fail}, of: "hpa-controller-role", seen: "does not bind",
		},
		"neither reviews nor roles": {
			edit: func(s snapshot) {
				reviewsRefused(t, s, "*", "system:controller:horizontal-pod-autoscaler")
				s.Role.Unread = forbidden("get clusterroles")
			},
			states: map[string]doctor.State{"hpa-controller-role": doctor.Unknown}, of: "hpa-controller-role", right: "get clusterroles",
		},
		"a gate that an HPA needs": {
			edit: func(s snapshot) {
				s.Gates.Value["HPAScaleToZero"] = false
				s.HPAs.Value[0].Spec.MinReplicas = ptr.To[int32](0)
			},
			states: map[string]doctor.State{"feature-gates": doctor.Warn}, of: "feature-gates", seen: "HPAScaleToZero is off, and the HPA shop/web was made with it",
		},
		"a gate that nobody needs": {
			edit: func(s snapshot) { s.Gates.Value["HPAConfigurableTolerance"] = false },
			of:   "feature-gates", seen: "HPAConfigurableTolerance is off: a tolerance is dropped",
		},
		"gates may not be read": {
			edit:   func(s snapshot) { s.Gates = doctor.Read[map[string]bool]{Unread: forbidden("get the URL /metrics")} },
			states: map[string]doctor.State{"feature-gates": doctor.Unknown}, of: "feature-gates", right: "get the URL /metrics",
		},
		"this machine is late": {
			edit: func(s snapshot) {
				s.Server.Value.Date = now.Add(time.Minute)
				s.ManagerLease.Value.Spec.RenewTime.Time = now.Add(time.Minute - 3*time.Second)
			},
			states: map[string]doctor.State{"clock": doctor.Warn}, of: "clock", seen: "the clock of this machine is 1m2s behind kube-apiserver's",
		},
		"a node is ahead": {
			edit:   func(s snapshot) { s.Leases.Value[0].Spec.RenewTime.Time = now.Add(20 * time.Second) },
			states: map[string]doctor.State{"clock": doctor.Warn}, of: "clock", seen: "kube-node-lease/node-1: its renewTime is 19s in the future",
		},
		"the controller is far ahead": {
			edit:   func(s snapshot) { s.HPAs.Value[0].Status.Conditions[0].LastTransitionTime.Time = now.Add(time.Hour) },
			states: map[string]doctor.State{"clock": doctor.Fail}, of: "clock", seen: "shop/web: the lastTransitionTime of AbleToScale", remedy: "synchronise the clocks of the nodes",
		},
		"no leases": {
			edit:   func(s snapshot) { s.Leases = doctor.Read[[]coordinationv1.Lease]{Unread: forbidden("list leases")} },
			states: map[string]doctor.State{"clock": doctor.Unknown}, of: "clock", right: "list leases",
		},
		"a pod that does not start": {
			edit: func(s snapshot) {
				p := &adapterOf(s).Pods.Value[1]
				p.Status.Conditions[0].Status = "False"
				p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}}}
			},
			states: map[string]doctor.State{"adapter": doctor.Warn}, of: "adapter", seen: "1 of 2 pods are ready: system/loadline-adapter-1: ImagePullBackOff: no such image",
		},
		"no pod at all": {
			edit:   func(s snapshot) { adapterOf(s).Pods.Value = nil },
			states: map[string]doctor.State{"adapter": doctor.Fail}, of: "adapter", seen: "system/loadline-adapter: no pod is behind it",
		},
		"no Service": {
			edit:   func(s snapshot) { adapterOf(s).Service.Unread = absent() },
			states: map[string]doctor.State{"adapter": doctor.Fail}, of: "adapter", seen: "there is no Service system/loadline-adapter",
		},
		"pods may not be read": {
			edit:   func(s snapshot) { adapterOf(s).Pods.Unread = forbidden("list pods, in system") },
			states: map[string]doctor.State{"adapter": doctor.Unknown}, of: "adapter", right: "list pods, in system",
		},
		"policies, and nobody looks": {
			edit:   func(s snapshot) { s.Controllers.Value = nil },
			states: map[string]doctor.State{"policy-controller": doctor.Fail}, of: "policy-controller", seen: "1 policy, and no Deployment", remedy: "deploy/policy",
		},
		"no policies in this cluster": {
			edit: func(s snapshot) {
				s.Controllers.Value, s.Policies = nil, doctor.Read[[]v1alpha1.AutoscalingPolicy]{Unread: absent()}
			},
			of: "policy-controller", seen: "no AutoscalingPolicies",
		},
		"a controller without its API": {
			edit:   func(s snapshot) { s.Policies = doctor.Read[[]v1alpha1.AutoscalingPolicy]{Unread: absent()} },
			states: map[string]doctor.State{"policy-controller": doctor.Fail}, of: "policy-controller", remedy: "deploy/crd",
		},
		"no HPA has a value": {
			edit: func(s snapshot) {
				s.HPAs.Value[0].Status.CurrentMetrics = s.HPAs.Value[0].Status.CurrentMetrics[:1]
			},
			states: map[string]doctor.State{"source": doctor.Unknown}, of: "source", seen: "no HPA had a value", remedy: "readyz?verbose",
		},
		"a source that does not answer": {
			edit: func(s snapshot) {
				s.Sources = []doctor.Source{{Name: "default"}, {Name: "mimir", Down: "connection refused"}}
			},
			states: map[string]doctor.State{"source": doctor.Fail}, of: "source", seen: "1 source does not answer: mimir: connection refused",
		},
		"sources that answer": {
			edit: func(s snapshot) { s.Sources = []doctor.Source{{Name: "default"}} }, of: "source", seen: "1 source answers",
		},
		"a rule that matches nothing": {
			edit: func(s snapshot) {
				s.Discovery["external.metrics.k8s.io/v1beta1"] = resources("something_else", "queue_depth_2")
				s.HPAs.Value[0].Status.CurrentMetrics[2] = autoscalingv2.MetricStatus{External: &autoscalingv2.ExternalMetricStatus{Current: autoscalingv2.MetricValueStatus{Value: ptr.To(*s.HPAs.Value[0].Spec.Metrics[2].External.Target.AverageValue)}}}
			},
			states: map[string]doctor.State{"rules": doctor.Warn}, of: "rules", seen: `no metric comes of 1 rule: externalRules[0]: seriesQuery queue_depth{namespace!=""}`,
		},
		"a file that cannot be used": {
			edit:   func(s snapshot) { adapterOf(s).Config.Value = "rules: [{seriesQuery: '{'}]" },
			states: map[string]doctor.State{"rules": doctor.Fail}, of: "rules", seen: "cannot be used: rules[0]", remedy: "kubectl loadline migrate config",
		},
		"a file of another adapter that ours would refuse": {
			edit: func(s snapshot) {
				b := adapterOf(s)
				b.Config.Value = "rules: [{seriesQuery: '{'}]"
				args := &b.Deployments.Value[0].Spec.Template.Spec.Containers[0].Args
				*args = slices.DeleteFunc(*args, func(a string) bool { return strings.HasPrefix(a, "--cert-secret") })
			},
			states: map[string]doctor.State{"rules": doctor.Warn}, of: "rules", seen: "would refuse the configuration", remedy: "before loadline-adapter takes the place",
		},
		"a file that may not be read": {
			edit:   func(s snapshot) { adapterOf(s).Config = doctor.Read[string]{Unread: forbidden("get configmaps")} },
			states: map[string]doctor.State{"rules": doctor.Unknown}, of: "rules", right: "get configmaps",
		},
		"rules of an API that KEDA serves": {
			edit: func(s snapshot) {
				s.APIServices.Value[3].Spec.Service.Name = "keda"
				s.Backends[types.NamespacedName{Namespace: "system", Name: "keda"}] = backend(t, "keda")
				s.Discovery["external.metrics.k8s.io/v1beta1"] = resources()
				s.HPAs.Value[0].Spec.Metrics = s.HPAs.Value[0].Spec.Metrics[:2]
			},
			of: "rules", seen: "system/loadline-adapter: metrics come of its other rules; system/loadline-adapter: 1 rule of external.metrics.k8s.io is not looked at, for it is served by system/keda",
		},
		"what KEDA runs may not be read": {
			edit: func(s snapshot) {
				s.APIServices.Value[3].Spec.Service.Name = "keda"
				s.Backends[types.NamespacedName{Namespace: "system", Name: "keda"}] = &doctor.Backend{Deployments: doctor.Read[[]appsv1.Deployment]{Unread: forbidden("list deployments, in system")}}
				s.Discovery["external.metrics.k8s.io/v1beta1"] = resources()
				s.HPAs.Value[0].Spec.Metrics = s.HPAs.Value[0].Spec.Metrics[:2]
			},
			states: map[string]doctor.State{"adapter": doctor.Fail},
			of:     "rules", seen: "system/keda is not looked at, for loadline-adapter is another one",
		},
		"what metrics-server runs may not be read": {
			edit: func(s snapshot) {
				s.Backends[types.NamespacedName{Namespace: "system", Name: "metrics-server"}].Deployments.Unread = forbidden("list deployments, in system")
			},
			of: "rules", seen: "system/loadline-adapter: metrics come of all rules",
		},
		"what serves metrics may not be read, and may be ours": {
			edit: func(s snapshot) {
				s.APIServices.Value = s.APIServices.Value[:4]
				adapterOf(s).Deployments = doctor.Read[[]appsv1.Deployment]{Unread: forbidden("list deployments, in system")}
			},
			states: map[string]doctor.State{"rules": doctor.Unknown}, of: "rules", right: "list deployments, in system",
		},
		"rules of an API that is not registered": {
			edit: func(s snapshot) {
				s.APIServices.Value = slices.Delete(s.APIServices.Value, 3, 4)
				delete(s.Discovery, "external.metrics.k8s.io/v1beta1")
				s.HPAs.Value[0].Spec.Metrics = s.HPAs.Value[0].Spec.Metrics[:2]
			},
			states: map[string]doctor.State{"external-metrics": doctor.Warn},
			of:     "rules", seen: "1 rule of external.metrics.k8s.io is not looked at, for nobody is registered for it",
		},
		"rules of an API of which another serves the preferred version": {
			edit: func(s snapshot) {
				s.APIServices.Value[2].Spec.Service.Name = "metrics-server"
				s.Discovery["custom.metrics.k8s.io/v1beta2"] = resources("pods/of_another")
			},
			states: map[string]doctor.State{"custom-metrics": doctor.Warn}, of: "rules", seen: "metrics come of all rules",
		},
		"two Services of one adapter": {
			edit: func(s snapshot) {
				s.APIServices.Value[3].Spec.Service.Name = "other"
				s.Backends[types.NamespacedName{Namespace: "system", Name: "other"}] = adapterOf(s)
				s.Discovery["external.metrics.k8s.io/v1beta1"] = resources("of_another")
			},
			states: map[string]doctor.State{"rules": doctor.Warn, "metrics-served": doctor.Fail},
			of:     "rules", seen: "system/loadline-adapter: no metric comes of 1 rule: externalRules[0]",
		},
		"a target at 0 that alone has the series": {
			edit: func(s snapshot) {
				h := &s.HPAs.Value[0]
				h.Status.CurrentMetrics = nil
				h.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{
					{Type: autoscalingv2.AbleToScale, Status: corev1.ConditionTrue, Reason: "SucceededGetScale"},
					{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionFalse, Reason: "ScalingDisabled"},
				}
				for _, of := range []string{"custom.metrics.k8s.io/v1beta1", "custom.metrics.k8s.io/v1beta2"} {
					s.Discovery[of] = doctor.Read[metav1.APIResourceList]{}
				}
			},
			of: "metrics-served", states: map[string]doctor.State{"rules": doctor.Warn, "source": doctor.Unknown},
		},
		"metrics that nobody serves": {
			edit: func(s snapshot) {
				s.HPAs.Value[0].Spec.Metrics[1].Pods.Metric.Name = "http_request_per_second"
				s.HPAs.Value[0].Status.CurrentMetrics = nil
				s.HPAs.Value[0].Status.Conditions[1].Status = "False" // one cause has one line
			},
			states: map[string]doctor.State{"metrics-served": doctor.Fail, "source": doctor.Unknown},
			of:     "metrics-served", seen: "HPAs ask for 1 metric that nobody serves: shop/web: http_request_per_second", remedy: "spells it so",
		},
		"a metric that is not listed, and has a value": {
			edit: func(s snapshot) { s.HPAs.Value[0].Spec.Metrics[1].Pods.Metric.Name = "of_another" },
			of:   "metrics-served", seen: "3 metrics of 1 HPA",
		},
		"KEDA's": {
			edit: func(s snapshot) {
				h := &s.HPAs.Value[0]
				h.OwnerReferences = []metav1.OwnerReference{{APIVersion: "keda.sh/v1alpha1", Kind: "ScaledObject", Name: "web", Controller: ptr.To(true)}}
				h.Spec.Metrics[1].Pods.Metric.Name = "s0-prometheus"
				h.Status.CurrentMetrics = nil
				h.Status.Conditions[1].Status, h.Status.Conditions[1].Reason = "False", "FailedGetPodsMetric"
			},
			states: map[string]doctor.State{"source": doctor.Unknown}, of: "hpa-active", seen: "0 HPAs (1 of KEDA or another controller is not looked at)",
		},
		"an HPA that stands still": {
			edit: func(s snapshot) {
				c := &s.HPAs.Value[0].Status.Conditions[0]
				c.Status, c.Reason, c.Message = "False", "FailedGetScale", "deployments.apps \"web\" not found"
			},
			states: map[string]doctor.State{"hpa-active": doctor.Fail}, of: "hpa-active", seen: `1 HPA stands still: shop/web: FailedGetScale: deployments.apps "web" not found`, remedy: "kubectl loadline explain",
		},
		"an HPA whose target somebody wants at 0": {
			edit: func(s snapshot) {
				c := &s.HPAs.Value[0].Status.Conditions[1]
				c.Status, c.Reason = "False", "ScalingDisabled"
			},
			of: "hpa-active", seen: "1 HPA",
		},
		"nobody looks at HPAs": {
			edit:   func(s snapshot) { s.HPAs.Value[0].Status = autoscalingv2.HorizontalPodAutoscalerStatus{} },
			states: map[string]doctor.State{"hpa-active": doctor.Fail, "source": doctor.Unknown},
			of:     "hpa-active", seen: "the HPA controller has not looked at 1 HPA: shop/web: made at 2026-06-01T10:00:00Z", remedy: "kube-controller-manager",
		},
		"the HPA controller is dead": {
			edit: func(s snapshot) { s.ManagerLease = ok(renewed(5 * time.Minute)) }, states: map[string]doctor.State{"hpa-active": doctor.Fail},
			of: "hpa-active", seen: "nobody runs the HPA controller: the Lease kube-system/kube-controller-manager was renewed 5m0s ago by kube-apiserver's clock, the last time by master-1_uid", remedy: "see whether kube-controller-manager runs",
		},
		"the HPA controller is dead, and HPAs may not be read": {
			edit: func(s snapshot) {
				s.ManagerLease, s.HPAs = ok(renewed(5*time.Minute)), doctor.Read[[]autoscalingv2.HorizontalPodAutoscaler]{Unread: forbidden("list hpas")}
				s.Workloads.Gathered[guard.HorizontalPodAutoscaler] = false
			},
			states: map[string]doctor.State{"hpa-active": doctor.Fail, "source": doctor.Unknown, "metrics-served": doctor.Unknown, "requests": doctor.Unknown},
			of:     "hpa-active", seen: "nobody runs the HPA controller", right: "list hpas",
		},
		"a controller is restarting": {
			edit: func(s snapshot) { s.ManagerLease = ok(renewed(time.Minute)) }, of: "hpa-active", seen: "1 HPA",
		},
		"just longer than a restart takes": {
			edit: func(s snapshot) { s.ManagerLease = ok(renewed(time.Minute + time.Second)) }, states: map[string]doctor.State{"hpa-active": doctor.Fail},
			of: "hpa-active", seen: "was renewed 1m1s ago",
		},
		"this machine is early, and the controller is dead": {
			edit: func(s snapshot) {
				s.Server.Value.Date = now.Add(-time.Hour)
				s.ManagerLease.Value.Spec.RenewTime.Time = now.Add(-time.Hour - 2*time.Minute)
				s.Leases = ok([]coordinationv1.Lease{})
				for i := range s.HPAs.Value[0].Status.Conditions {
					s.HPAs.Value[0].Status.Conditions[i].LastTransitionTime.Time = now.Add(-2 * time.Hour)
				}
			},
			states: map[string]doctor.State{"clock": doctor.Warn, "hpa-active": doctor.Fail}, of: "hpa-active", seen: "was renewed 2m0s ago",
		},
		"a Lease that is left over": {
			edit: func(s snapshot) {
				s.ManagerLease = ok(renewed(1000 * time.Hour))
				s.ManagerLease.Value.Spec.HolderIdentity = nil
			},
			of: "hpa-active", seen: "the last time by nobody who is named, and the HPA controller has written shop/web since",
		},
		"no Lease of the HPA controller": {
			edit: func(s snapshot) { s.ManagerLease = doctor.Read[coordinationv1.Lease]{Unread: absent()} },
			of:   "hpa-active", seen: "1 HPA; there is no Lease kube-system/kube-controller-manager",
		},
		"a Lease that nobody has renewed yet": {
			edit: func(s snapshot) { s.ManagerLease.Value.Spec.RenewTime = nil }, of: "hpa-active", seen: "was never renewed",
		},
		"the Lease may not be read": {
			edit: func(s snapshot) {
				s.ManagerLease = doctor.Read[coordinationv1.Lease]{Unread: forbidden("get leases, in kube-system")}
			},
			states: map[string]doctor.State{"hpa-active": doctor.Unknown}, of: "hpa-active", right: "get leases, in kube-system",
		},
		"no clock to go by": {
			edit:   func(s snapshot) { s.Server.Value.Date = time.Time{} },
			states: map[string]doctor.State{"clock": doctor.Unknown, "hpa-active": doctor.Unknown}, of: "hpa-active", seen: "kube-apiserver does not say what time it is",
		},
		"the controller's clock is ahead": {
			edit: func(s snapshot) { s.ManagerLease = ok(renewed(-20 * time.Second)) }, states: map[string]doctor.State{"clock": doctor.Warn},
			of: "clock", seen: "kube-system/kube-controller-manager: its renewTime is 18s in the future",
		},
		"no request": {
			edit:   func(s snapshot) { s.Workloads.Deployments[0].Spec.Template.Spec.Containers[0].Resources.Requests = nil },
			states: map[string]doctor.State{"requests": doctor.Fail}, of: "requests", seen: "shop/web: the container app has no request for cpu", remedy: "give every container a request",
		},
		"StatefulSets may not be read": {
			edit: func(s snapshot) {
				s.Workloads.Missing = map[guard.Kind]string{guard.StatefulSet: "you may not read it"}
			},
			states: map[string]doctor.State{"requests": doctor.Unknown}, of: "requests", seen: "StatefulSets could not be read",
		},
		"Deployments may not be read": {
			edit: func(s snapshot) {
				s.Workloads.Deployments, s.Workloads.Gathered[guard.Deployment] = nil, false
				s.Workloads.Missing = map[guard.Kind]string{guard.Deployment: "you may not read it"}
			},
			states: map[string]doctor.State{"requests": doctor.Unknown}, of: "requests", seen: "you may not read it",
		},
		"nothing may be read": {
			edit: func(s snapshot) {
				no := forbidden("list x")
				*s = doctor.Snapshot{Now: now, Access: doctor.Asked()}
				s.Server.Unread, s.Autoscaling.Unread, s.FrontProxy.Unread, s.APIServices.Unread = no, no, no, no
				s.Gates.Unread, s.Leases.Unread, s.ManagerLease.Unread, s.HPAs.Unread, s.Policies.Unread, s.Controllers.Unread = no, no, no, no, no, no
				s.Role.Unread, s.RoleBinding.Unread = no, no
				for i := range s.Access {
					s.Access[i].Allowed.Unread = no
				}
			},
			states: everything(doctor.Unknown), of: "hpa-active", right: "list x",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := healthy(t)
			tc.edit(s)
			r := doctor.Check(s)
			states := map[string]doctor.State{}
			for _, f := range r.Checks {
				if f.State != doctor.OK {
					states[f.ID] = f.State
				}
			}
			want := tc.states
			if want == nil {
				want = map[string]doctor.State{}
			}
			if diff := cmp.Diff(want, states); diff != "" {
				var text strings.Builder
				_ = r.Text(&text)
				t.Errorf("%s\n%s", diff, &text)
			}
			i := slices.IndexFunc(r.Checks, func(f doctor.Finding) bool { return f.ID == tc.of })
			if i < 0 {
				t.Fatalf("there is no check %s", tc.of)
			}
			f := r.Checks[i]
			if !strings.Contains(f.Seen, tc.seen) || !strings.Contains(strings.Join(f.Remedies, "\n"), tc.remedy) || !strings.Contains(strings.Join(f.MissingRights, "\n"), tc.right) {
				t.Errorf("%+v, want %q, %q, %q", f, tc.seen, tc.remedy, tc.right)
			}
		})
	}
}

// reviewsRefused leaves the role to go by, which has the groups of metrics or one of them.
func reviewsRefused(t *testing.T, s *doctor.Snapshot, group, bound string) {
	for i := range s.Access {
		s.Access[i].Allowed = doctor.Read[bool]{Unread: forbidden("create subjectaccessreviews")}
	}
	s.Role = ok(from[rbacv1.ClusterRole](t, `
rules:
- {verbs: [get, update], apiGroups: ["*"], resources: ["*/scale"]}
- {verbs: [list, watch], apiGroups: [""], resources: [pods]}
- {verbs: [get, list, watch], apiGroups: ["`+group+`"], resources: ["*"]}
`))
	s.RoleBinding = ok(from[rbacv1.ClusterRoleBinding](t, `
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "`+bound+`"}
subjects: [{kind: ServiceAccount, namespace: kube-system, name: horizontal-pod-autoscaler}]
`))
}

// everything is all checks in one state.
func everything(s doctor.State) map[string]doctor.State {
	all := map[string]doctor.State{}
	for _, c := range doctor.Catalogue() {
		all[c.ID] = s
	}
	return all
}

// A long list is cut in the line, and whole in the data; what comes from the cluster moves no
// cursor.
func TestText(t *testing.T) {
	s := healthy(t)
	for _, name := range []string{"a", "b", "c", "d\x1b[31m\nx"} {
		h := *s.HPAs.Value[0].DeepCopy()
		h.Name = name
		h.Status.Conditions[0].Status, h.Status.Conditions[0].Reason = "False", "FailedGetScale"
		s.HPAs.Value = append(s.HPAs.Value, h)
	}
	s.HPAs.Value[1].Name = "a\x1b[31m"
	r := doctor.Check(s)
	var text strings.Builder
	if err := r.Text(&text); err != nil {
		t.Fatal(err)
	}
	const want = "fail     hpa-active           4 HPAs stand still: shop/a?[31m: FailedGetScale: ; shop/b: FailedGetScale: ; shop/c: FailedGetScale: ; and 1 more\n" +
		"                              remedy: kubectl loadline explain hpa/NAME"
	if !strings.Contains(text.String(), want) {
		t.Errorf("%s\nwant\n%s", &text, want)
	}
	i := slices.IndexFunc(r.Checks, func(f doctor.Finding) bool { return f.ID == "hpa-active" })
	if n := len(r.Checks[i].Objects); n != 4 {
		t.Errorf("%d objects", n)
	}
	if want := (doctor.Summary{OK: len(r.Checks) - 1, Fail: 1}); r.Summary != want {
		t.Errorf("%+v, want %+v", r.Summary, want)
	}
}

// Where the configuration is that a Deployment's flag names.
func TestPlaceOf(t *testing.T) {
	for name, tc := range map[string]struct {
		args, mounts, volumes string
		want                  doctor.Place
		why                   string
	}{
		"a directory":  {`["--config=/etc/adapter/config.yaml"]`, `[{name: v, mountPath: /etc/adapter/}]`, `[{name: v, configMap: {name: m}}]`, doctor.Place{Namespace: "ns", ConfigMap: "m", Key: "config.yaml"}, ""},
		"two words":    {`["--config", "/etc/adapter/a/b.yaml"]`, `[{name: o, mountPath: /tmp}, {name: v, mountPath: /etc/adapter}]`, `[{name: v, configMap: {name: m, items: [{key: k, path: a/b.yaml}]}}]`, doctor.Place{Namespace: "ns", ConfigMap: "m", Key: "k"}, ""},
		"one file":     {`["--config=/c.yaml"]`, `[{name: v, mountPath: /c.yaml, subPath: config.yaml}]`, `[{name: v, configMap: {name: m}}]`, doctor.Place{Namespace: "ns", ConfigMap: "m", Key: "config.yaml"}, ""},
		"no flag":      {`["--configs=/c.yaml"]`, `[]`, `[]`, doctor.Place{}, "it has no --config"},
		"an image's":   {`["--config=/c.yaml"]`, `[{name: v, mountPath: /etc}]`, `[{name: v, configMap: {name: m}}]`, doctor.Place{}, "the file of its --config is in no volume"},
		"a Secret":     {`["--config=/etc/c.yaml"]`, `[{name: v, mountPath: /etc}]`, `[{name: v, secret: {secretName: m}}]`, doctor.Place{}, "the file of its --config is in no ConfigMap"},
		"another item": {`["--config=/etc/c.yaml"]`, `[{name: v, mountPath: /etc}]`, `[{name: v, configMap: {name: m, items: [{key: k, path: d.yaml}]}}]`, doctor.Place{}, "the file of its --config is in no ConfigMap"},
	} {
		t.Run(name, func(t *testing.T) {
			d := from[appsv1.Deployment](t, `{metadata: {namespace: ns, name: d}, spec: {template: {spec: {containers: [{name: sidecar}, {name: c, args: `+tc.args+`, volumeMounts: `+tc.mounts+`}], volumes: `+tc.volumes+`}}}}`)
			got, why := doctor.PlaceOf(&d)
			if got != tc.want || why != tc.why {
				t.Errorf("%+v, %q", got, why)
			}
		})
	}
}
