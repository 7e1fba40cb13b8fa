package deploy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/provider/source/embedded/builtin"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
)

// role is a Role (with its namespace) or a ClusterRole.
type role struct {
	kind, namespace, name string
	labels                labels.Set
	rules                 []rbacv1.PolicyRule
	aggregation           *rbacv1.AggregationRule
}

func roles(objects []runtime.Object) []role {
	var out []role
	for _, r := range all[*rbacv1.Role](objects) {
		out = append(out, role{"Role", r.Namespace, r.Name, r.Labels, r.Rules, nil})
	}
	for _, r := range all[*rbacv1.ClusterRole](objects) {
		out = append(out, role{"ClusterRole", "", r.Name, r.Labels, r.Rules, r.AggregationRule})
	}
	return out
}

func TestNoWildcards(t *testing.T) {
	forEachVariant(t, func(t *testing.T, objects []runtime.Object) {
		for _, r := range roles(objects) {
			for _, rule := range r.rules {
				if slices.Contains(rule.Verbs, "*") || slices.Contains(rule.APIGroups, "*") || slices.ContainsFunc(rule.NonResourceURLs, func(u string) bool { return strings.Contains(u, "*") }) {
					t.Errorf("%s %s: a wildcard in %v", r.kind, r.name, rule)
				}
				for _, resource := range rule.Resources {
					if strings.Contains(resource, "*") && !isReaderRule(r.name, rule) {
						t.Errorf("%s %s: a wildcard resource in %v", r.kind, r.name, rule)
					}
				}
			}
		}
	})
}

// isReaderRule is the one exception, of those who read metrics: RBAC has no pods/*.
func isReaderRule(name string, rule rbacv1.PolicyRule) bool {
	if name == "loadline-policy" {
		return slices.Equal(rule.Resources, []string{"*"}) && slices.Equal(rule.APIGroups, []string{"custom.metrics.k8s.io"}) && slices.Equal(rule.Verbs, []string{"get"})
	}
	return name == "loadline-metrics-reader" &&
		slices.Equal(rule.Resources, []string{"*"}) &&
		slices.Equal(rule.APIGroups, []string{"custom.metrics.k8s.io", "external.metrics.k8s.io"}) &&
		slices.Equal(rule.Verbs, []string{"get", "list", "watch"})
}

// Secrets are named, in a namespace, and not created: RBAC cannot restrict a
// create to a name.
func TestSecretsOnlyByName(t *testing.T) {
	forEachVariant(t, func(t *testing.T, objects []runtime.Object) {
		for _, r := range roles(objects) {
			for _, rule := range r.rules {
				if !slices.ContainsFunc(rule.Resources, func(s string) bool { return strings.HasPrefix(s, "secrets") }) {
					continue
				}
				if r.kind != "Role" || len(rule.ResourceNames) == 0 {
					t.Errorf("%s %s: secrets without a name: %v", r.kind, r.name, rule)
				}
				for _, verb := range rule.Verbs {
					if !slices.Contains([]string{"get", "list", "watch", "update", "patch"}, verb) {
						t.Errorf("%s %s: secrets with %q", r.kind, r.name, verb)
					}
				}
			}
		}
	})
}

// rights lists what a ServiceAccount of loadline-system may do, one line a rule and
// resource or path; roles that the cluster has by itself are given by name. A binding
// to a user or a group fails the test: our programs may be meant by both.
func rights(t *testing.T, objects []runtime.Object, account string) []string {
	t.Helper()
	isOurs := func(s rbacv1.Subject) bool {
		if s.Kind != rbacv1.ServiceAccountKind {
			t.Errorf("a binding to the %s %s", s.Kind, s.Name)
		}
		return s.Kind == "ServiceAccount" && s.Name == account && s.Namespace == "loadline-system"
	}
	known := roles(objects)
	var out []string
	grant := func(scope string, ref rbacv1.RoleRef) {
		i := slices.IndexFunc(known, func(r role) bool { return r.kind == ref.Kind && r.name == ref.Name })
		if i < 0 {
			out = append(out, scope+": "+ref.Kind+" "+ref.Name)
			return
		}
		for _, rule := range effective(t, known[i], known) {
			out = append(out, lines(scope, rule)...)
		}
	}
	bind := func(scope string, subjects []rbacv1.Subject, ref rbacv1.RoleRef) {
		for _, s := range subjects {
			if isOurs(s) {
				grant(scope, ref)
			}
		}
	}
	for _, b := range all[*rbacv1.ClusterRoleBinding](objects) {
		bind("cluster", b.Subjects, b.RoleRef)
	}
	for _, b := range all[*rbacv1.RoleBinding](objects) {
		bind(b.Namespace, b.Subjects, b.RoleRef)
	}
	slices.Sort(out)
	return out
}

// effective are a role's rules with what it aggregates.
func effective(t *testing.T, r role, known []role) []rbacv1.PolicyRule {
	t.Helper()
	if r.aggregation == nil {
		return r.rules
	}
	if r.rules != nil {
		t.Errorf("%s: the cluster owns the rules of an aggregated role", r.name)
	}
	var out []rbacv1.PolicyRule
	for _, s := range r.aggregation.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&s)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range known {
			if other.kind == "ClusterRole" && selector.Matches(other.labels) {
				out = append(out, other.rules...)
			}
		}
	}
	return out
}

func lines(scope string, rule rbacv1.PolicyRule) []string {
	var out []string
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			if group != "" {
				resource += "." + group
			}
			names := ""
			if len(rule.ResourceNames) > 0 {
				names = " " + strings.Join(rule.ResourceNames, ",")
			}
			out = append(out, fmt.Sprintf("%s: %s %s%s", scope, strings.Join(rule.Verbs, ","), resource, names))
		}
	}
	for _, path := range rule.NonResourceURLs {
		out = append(out, fmt.Sprintf("%s: %s %s", scope, strings.Join(rule.Verbs, ","), path))
	}
	return out
}

// Who may view a namespace may read its diagnostics, and nobody else by our manifests.
func TestDiagnosticsAreForViewers(t *testing.T) {
	forEachAdapter(t, func(t *testing.T, objects []runtime.Object) {
		var found []role
		for _, r := range roles(objects) {
			for _, rule := range r.rules {
				if slices.Contains(rule.APIGroups, "diagnostics.loadline.dev") {
					found = append(found, r)
				}
			}
		}
		if len(found) != 1 || found[0].name != "loadline-diagnostics-reader" {
			t.Fatalf("roles: %+v", found)
		}
		want := []string{"cluster: get,list metrics.diagnostics.loadline.dev"}
		if diff := cmp.Diff(want, lines("cluster", found[0].rules[0])); diff != "" || len(found[0].rules) != 1 {
			t.Error(diff)
		}
		aggregates := map[string]string{}
		for label, value := range found[0].labels {
			if strings.HasPrefix(label, "rbac.authorization.k8s.io/") {
				aggregates[label] = value
			}
		}
		if diff := cmp.Diff(map[string]string{"rbac.authorization.k8s.io/aggregate-to-view": "true"}, aggregates); diff != "" {
			t.Error(diff)
		}
		for _, b := range all[*rbacv1.ClusterRoleBinding](objects) {
			if b.RoleRef.Name == found[0].name {
				t.Errorf("bound by %s", b.Name)
			}
		}
	})
}

// The whole of what the adapter may do. A change here is a change of what users
// have to trust us with: say it in the changelog.
func TestRightsOfTheAdapter(t *testing.T) {
	common := []string{
		"cluster: ClusterRole system:auth-delegator",
		"cluster: get deployments/scale.apps",
		"cluster: get replicasets/scale.apps",
		"cluster: get replicationcontrollers/scale",
		"cluster: get statefulsets/scale.apps",
		"cluster: get,list,watch horizontalpodautoscalers.autoscaling",
		"cluster: list,watch namespaces",
		"cluster: list,watch pods",
		"kube-system: Role extension-apiserver-authentication-reader",
	}
	certificate := []string{
		"cluster: get,patch apiservices.apiregistration.k8s.io v1beta1.custom.metrics.k8s.io,v1beta2.custom.metrics.k8s.io,v1beta1.external.metrics.k8s.io,v1alpha1.diagnostics.loadline.dev",
		"loadline-system: get,update,watch secrets loadline-adapter-tls",
	}
	scraping := []string{"cluster: create,patch events.events.k8s.io", "cluster: list,watch endpointslices.discovery.k8s.io"}
	moreKinds := []string{
		"cluster: list,watch cronjobs.batch",
		"cluster: list,watch daemonsets.apps",
		"cluster: list,watch deployments.apps",
		"cluster: list,watch ingresses.networking.k8s.io",
		"cluster: list,watch jobs.batch",
		"cluster: list,watch nodes",
		"cluster: list,watch persistentvolumeclaims",
		"cluster: list,watch replicasets.apps",
		"cluster: list,watch replicationcontrollers",
		"cluster: list,watch services",
		"cluster: list,watch statefulsets.apps",
	}
	tests := map[string]struct {
		lines []string
		want  []string
	}{
		"self-managed certificate": {[]string{"resources: [base]"}, slices.Concat(common, certificate, scraping)},
		"given certificate":        {[]string{"resources: [overlays/given-certificate]"}, slices.Concat(common, scraping)},
		"more kinds":               {variants()["more-kinds"], slices.Concat(common, certificate, scraping, moreKinds)},
		"with a Prometheus":        {variants()["prometheus"], slices.Concat(common, certificate)},
		"beside loadline-policy": {
			variants()["adapter and policy"],
			slices.Concat(common, certificate, scraping, []string{"cluster: list,watch autoscalingpolicies.loadline.dev"}),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			slices.Sort(tt.want)
			if diff := cmp.Diff(tt.want, rights(t, render(t, tt.lines), "loadline-adapter")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is listed are the kinds that the rules describe, and no other: the built-in ones, and
// those of the overlay for a Prometheus.
func TestListsWhatItsRulesDescribe(t *testing.T) {
	t.Run("base", func(t *testing.T) {
		listsWhatIsDescribed(t, render(t, variants()["base"]), builtin.Rules(scrape.DefaultInterval))
	})
	t.Run("prometheus", func(t *testing.T) {
		objects := render(t, variants()["prometheus"])
		text := configMap(t, objects, only[*appsv1.Deployment](t, objects).Spec.Template.Spec.Volumes[0].ConfigMap.Name).Data["config.yaml"]
		listsWhatIsDescribed(t, objects, []byte(text))
	})
}

func listsWhatIsDescribed(t *testing.T, objects []runtime.Object, text []byte) {
	t.Helper()
	var config struct {
		Rules []struct {
			Resources struct {
				Template  string
				Overrides map[string]schema.GroupResource
			}
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	want := []string{}
	for i, r := range config.Rules {
		if r.Resources.Template != "" {
			t.Errorf("rules[%d] describes by a template what cannot be counted here", i)
		}
		for _, resource := range r.Resources.Overrides {
			resource.Resource += "s"
			want = append(want, "cluster: list,watch "+resource.String())
		}
	}
	slices.Sort(want)
	var got []string
	for _, r := range roles(objects) {
		if r.labels["loadline.dev/aggregate-to-adapter"] != "true" {
			continue
		}
		for _, rule := range r.rules {
			got = append(got, lines("cluster", rule)...)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(slices.Compact(want), got); diff != "" || len(got) == 0 {
		t.Errorf("(-rules +rights):\n%s", diff)
	}
}
