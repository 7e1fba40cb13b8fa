package deploy_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/controller"
)

// Prometheus finds the port at which loadline-policy serves its metrics.
func TestPolicyIsScraped(t *testing.T) {
	pod := only[*appsv1.Deployment](t, render(t, variants()["policy, annotated"])).Spec.Template
	port := corev1.ContainerPort{Name: "metrics", ContainerPort: 8080}
	if !slices.Contains(pod.Spec.Containers[0].Ports, port) || !slices.Contains(pod.Spec.Containers[0].Args, "--metrics-bind-address=:8080") {
		t.Errorf("ports %v", pod.Spec.Containers[0].Ports)
	}
	if a := pod.Annotations; a["prometheus.io/scrape"] != "true" || a["prometheus.io/port"] != "8080" || a["prometheus.io/path"] != "/metrics" {
		t.Errorf("annotations: %v", a)
	}
	data, err := os.ReadFile("components/policy-scrape-podmonitor/podmonitor.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Spec struct {
			Selector            metav1.LabelSelector
			PodMetricsEndpoints []struct{ Port, Path string }
		}
	}
	if err := yaml.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	selector, err := metav1.LabelSelectorAsSelector(&m.Spec.Selector)
	if err != nil {
		t.Fatal(err)
	}
	if e := m.Spec.PodMetricsEndpoints; !selector.Matches(labels.Set(pod.Labels)) || len(e) != 1 || e[0].Port != port.Name || e[0].Path != "/metrics" {
		t.Errorf("the PodMonitor finds %v at %v", selector, e)
	}
}

// The whole of what loadline-policy may do. A change here is a change of what users
// have to trust us with: say it in the changelog.
func TestRightsOfThePolicyController(t *testing.T) {
	want := []string{
		"cluster: create,patch events.events.k8s.io",
		"cluster: get *.custom.metrics.k8s.io",
		"cluster: get deployments/scale.apps",
		"cluster: get replicasets/scale.apps",
		"cluster: get replicationcontrollers/scale",
		"cluster: get statefulsets/scale.apps",
		"cluster: get,list replicasets.apps",
		"cluster: get,list,watch autoscalingpolicies.loadline.dev",
		"cluster: get,list,watch deployments.apps",
		"cluster: get,list,watch replicationcontrollers",
		"cluster: get,list,watch statefulsets.apps",
		"cluster: get,list,watch,create,patch,update,delete horizontalpodautoscalers.autoscaling",
		"cluster: list,watch services",
		"cluster: update autoscalingpolicies/status.loadline.dev",
		"loadline-system: create leases.coordination.k8s.io",
		"loadline-system: get,update leases.coordination.k8s.io loadline-policy",
	}
	webhook := append([]string{
		"cluster: get,patch validatingwebhookconfigurations.admissionregistration.k8s.io loadline-policy",
		"cluster: list pods",
		"loadline-system: get,update,watch secrets loadline-policy-webhook-tls",
	}, want...)
	slices.Sort(webhook)
	given := append([]string{"cluster: list pods"}, want...)
	slices.Sort(given)
	for name, want := range map[string][]string{
		"policy, webhook, given": given, "policy, cert-manager": given,
		"policy": want, "policy beside a CRD": want, "policy of one's own": want, "adapter and policy": want,
		"policy with its webhook": webhook,
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, rights(t, render(t, variants()[name]), controller.Name)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a switch", func(t *testing.T) {
		given := append(slices.Clone(want),
			"shop: get deployments.apps",
			"shop: get replicasets.apps",
			"shop: get replicationcontrollers",
			"shop: get statefulsets.apps",
			"shop: get,patch services",
			"shop: get,update deployments/scale.apps",
			"shop: get,update replicasets/scale.apps",
			"shop: get,update replicationcontrollers/scale",
			"shop: get,update statefulsets/scale.apps",
			"shop: list endpointslices.discovery.k8s.io",
			"shop: list limitranges",
			"shop: list poddisruptionbudgets.policy",
			"shop: list resourcequotas",
		)
		if diff := cmp.Diff(given, rights(t, render(t, variants()["policy that may switch"]), controller.Name)); diff != "" {
			t.Error(diff)
		}
	})
}

// Only a RoleBinding that somebody makes gives the rights of a switch: nothing here binds
// them for the cluster, and no role that others have takes them in.
func TestNobodyMaySwitchByDefault(t *testing.T) {
	const role = "loadline-policy-switch"
	there := false
	forEachVariant(t, func(t *testing.T, objects []runtime.Object) {
		for _, r := range all[*rbacv1.ClusterRole](objects) {
			there = there || r.Name == role
			for label := range r.Labels {
				if r.Name == role && strings.Contains(label, "aggregate-to") {
					t.Errorf("%s is taken in by label %s", role, label)
				}
			}
		}
		for _, b := range all[*rbacv1.ClusterRoleBinding](objects) {
			if b.RoleRef.Name == role {
				t.Errorf("%s is bound for the cluster by %s", role, b.Name)
			}
		}
	})
	if !there {
		t.Errorf("no ClusterRole %s", role)
	}
}

// Whoever asks for a switch must be allowed to make it: this is refused also where it
// cannot be evaluated, of every namespace, user and version, and there is no way round.
// Each right is one validation, for only its own message can say which is missing.
func TestPolicyRightsAreHeld(t *testing.T) {
	objects := render(t, variants()["policy"])
	p, b := only[*admissionPolicy](t, objects), only[*admissionBinding](t, objects)
	match := &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
		Rule:       admissionv1.Rule{APIGroups: []string{"loadline.dev"}, APIVersions: []string{v1alpha1.GroupVersion.Version}, Resources: []string{"autoscalingpolicies"}},
	}}}}
	if diff := cmp.Diff(match, p.Spec.MatchConstraints); diff != "" || *p.Spec.FailurePolicy != admissionv1.Fail {
		t.Errorf("failurePolicy %s:\n%s", *p.Spec.FailurePolicy, diff)
	}
	bind := admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: p.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}}
	if diff := cmp.Diff(bind, b.Spec); diff != "" {
		t.Error(diff)
	}
	// Whoever has admission only warn does not have this warn with it.
	for _, beside := range all[*admissionBinding](render(t, variants()["policy beside warnings"])) {
		if refuses := slices.Contains(beside.Spec.ValidationActions, admissionv1.Deny); refuses != (beside.Name == b.Name) {
			t.Errorf("%s refuses: %v", beside.Name, refuses)
		}
	}
	var conditions []string
	for _, c := range p.Spec.MatchConditions {
		conditions = append(conditions, c.Name)
		if strings.Contains(c.Expression, "userInfo") || strings.Contains(c.Expression, "allow-") {
			t.Errorf("condition %s exempts: %s", c.Name, c.Expression)
		}
	}
	if diff := cmp.Diff([]string{"acts", "asks"}, conditions); diff != "" {
		t.Error(diff)
	}
	for _, v := range p.Spec.Validations {
		if v.Reason == nil || *v.Reason != metav1.StatusReasonForbidden || v.Message == "" || !strings.HasPrefix(v.MessageExpression, "request.userInfo.username + ' may not ") {
			t.Errorf("%s: reason %v, messages %q and %q", v.Expression, v.Reason, v.Message, v.MessageExpression)
		}
	}
}

// Users get rights to policies by the cluster's own roles, and to nothing else.
func TestRightsOfUsersToPolicies(t *testing.T) {
	got := map[string][]string{}
	for _, r := range all[*rbacv1.ClusterRole](render(t, variants()["policy"])) {
		for label := range r.Labels {
			role, aggregated := strings.CutPrefix(label, "rbac.authorization.k8s.io/aggregate-to-")
			if !aggregated {
				continue
			}
			for _, rule := range r.Rules {
				got[role] = append(got[role], lines("namespace", rule)...)
			}
		}
	}
	for _, l := range got {
		slices.Sort(l)
	}
	view := "namespace: get,list,watch autoscalingpolicies.loadline.dev"
	change := "namespace: create,update,patch,delete,deletecollection autoscalingpolicies.loadline.dev"
	want := map[string][]string{"view": {view}, "edit": {change, view}, "admin": {change, view}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The arguments are flags that loadline-policy has, its Lease is the one it has the
// right to, and its ports are those that are probed.
func TestPolicyArguments(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, o *controller.Options, d *appsv1.Deployment, objects []runtime.Object) {
		lease := false
		for _, r := range all[*rbacv1.Role](objects) {
			for _, rule := range r.Rules {
				if slices.Equal(rule.ResourceNames, []string{controller.Name}) && r.Namespace == o.Namespace {
					lease = true
				}
			}
		}
		if !lease || o.Namespace != d.Namespace || !o.LeaderElect {
			t.Errorf("no right to the Lease in namespace %q", o.Namespace)
		}
		c := d.Spec.Template.Spec.Containers[0]
		want := []corev1.ContainerPort{{Name: "metrics", ContainerPort: 8080}, {Name: "health", ContainerPort: 8081}}
		if o.Webhook.BindAddress != "" {
			want = append(want, corev1.ContainerPort{Name: "webhook", ContainerPort: 9443})
		}
		if diff := cmp.Diff(want, c.Ports); diff != "" || o.MetricsBindAddress != ":8080" || o.HealthBindAddress != ":8081" {
			t.Errorf("metrics on %s, health on %s, ports:\n%s", o.MetricsBindAddress, o.HealthBindAddress, diff)
		}
		for name, p := range map[string]*corev1.Probe{"startup /readyz": c.StartupProbe, "liveness /healthz": c.LivenessProbe, "readiness /readyz": c.ReadinessProbe} {
			if p == nil || p.HTTPGet == nil || p.HTTPGet.Port.StrVal != "health" || !strings.HasSuffix(name, " "+p.HTTPGet.Path) {
				t.Errorf("%s probe: %v", name, p)
			}
		}
	})
}

// The fence is around the pods of the Deployment, and lets one namespace to the values
// that all namespaces' policies have in /metrics. Whatever else a pod serves is open: to the
// kubelet, whose probes come from the node, and to kube-apiserver, which asks the webhook and
// whose address is not known.
func TestPolicyMetricsFence(t *testing.T) {
	for _, variant := range []string{"policy, fenced", "policy, fenced, asked"} {
		t.Run(variant, func(t *testing.T) {
			objects := render(t, variants()[variant])
			d, fence := only[*appsv1.Deployment](t, objects), only[*networkingv1.NetworkPolicy](t, objects)
			around, err := metav1.LabelSelectorAsSelector(&fence.Spec.PodSelector)
			if err != nil {
				t.Fatal(err)
			}
			if fence.Namespace != d.Namespace || !around.Matches(labels.Set(d.Spec.Template.Labels)) {
				t.Errorf("it is around %s in %s", around, fence.Namespace)
			}
			if diff := cmp.Diff([]networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, fence.Spec.PolicyTypes); diff != "" {
				t.Error(diff)
			}
			from := map[string][]networkingv1.NetworkPolicyPeer{}
			for _, rule := range fence.Spec.Ingress {
				for _, port := range rule.Ports {
					from[port.Port.String()] = rule.From
				}
			}
			monitoring := &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: "monitoring"}}
			want := map[string][]networkingv1.NetworkPolicyPeer{}
			for _, p := range d.Spec.Template.Spec.Containers[0].Ports {
				want[p.Name] = nil
			}
			want["metrics"] = []networkingv1.NetworkPolicyPeer{{NamespaceSelector: monitoring}}
			// Without the component policy-webhook no pod has this port, and the name lets nothing in.
			want["webhook"] = nil
			if diff := cmp.Diff(want, from); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// One replica stays, wherever the other goes, and the writes under way may end.
func TestPolicyAvailability(t *testing.T) {
	forEachPolicy(t, func(t *testing.T, o *controller.Options, d *appsv1.Deployment, objects []runtime.Object) {
		if *d.Spec.Replicas < 2 || d.Spec.Template.Spec.Affinity.PodAntiAffinity == nil {
			t.Errorf("%d replicas, affinity %v", *d.Spec.Replicas, d.Spec.Template.Spec.Affinity)
		}
		keepsOnePod(t, d, objects)
		if grace := time.Duration(*d.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second; grace < o.CallTimeout+10*time.Second {
			t.Errorf("a grace period of %s for calls of %s", grace, o.CallTimeout)
		}
	})
}

// forEachPolicy checks the variants with loadline-policy, with the options that its
// arguments lead to.
func forEachPolicy(t *testing.T, check func(*testing.T, *controller.Options, *appsv1.Deployment, []runtime.Object)) {
	forEachSingle(t, controller.Name, func(t *testing.T, objects []runtime.Object) {
		d := only[*appsv1.Deployment](t, objects)
		if n := len(d.Spec.Template.Spec.Containers); n != 1 {
			t.Fatalf("%d containers, want 1", n)
		}
		o := controller.NewOptions()
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.AddFlags(flags)
		for _, arg := range d.Spec.Template.Spec.Containers[0].Args {
			if err := flags.Parse([]string{strings.ReplaceAll(arg, "$(POD_NAMESPACE)", d.Namespace)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.Validate(); err != nil {
			t.Fatal(err)
		}
		check(t, o, d, objects)
	})
}
