//go:build e2e

package deploy_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/loadline/loadline/adapter"
)

// What helm test runs asks about the APIServices of the release, by arguments that the
// program has, may read these and nothing else, and is gone when it has succeeded.
func TestChartTest(t *testing.T) {
	for name, values := range map[string]string{
		"default":                        "{}",
		"beside another, in a namespace": "adapter: {apiServices: {external: false}, image: {tag: v1}}",
		"usage, given":                   "adapter: {apiServices: {metrics: true}, certificate: {mode: given}, config: {" + usage + "}}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			release, test := decoded(t, templated(t, "loadline-system", values))
			var want []string
			for _, a := range all[*apiregistrationv1.APIService](release) {
				want = append(want, a.Name)
			}
			pod := only[*corev1.Pod](t, test)
			c := pod.Spec.Containers[0]
			if c.Image != only[*appsv1.Deployment](t, release).Spec.Template.Spec.Containers[0].Image {
				t.Errorf("image %s", c.Image)
			}
			cmd, flags, err := adapter.NewCommand(context.Background()).Find(c.Args)
			if err != nil || cmd.Name() != "check" {
				t.Fatalf("%v is the command %s: %v", c.Args, cmd.Name(), err)
			}
			if err := cmd.ParseFlags(flags); err != nil {
				t.Fatal(err)
			}
			asked, err := cmd.Flags().GetStringSlice("apiservices")
			service := cmd.Flag("service").Value.String()
			if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(asked))); diff != "" || err != nil || service != "loadline-system/loadline-adapter" {
				t.Errorf("%v, behind %s:\n%s", err, service, diff)
			}
			if diff := cmp.Diff([]string{"cluster: get apiservices.apiregistration.k8s.io " + strings.Join(asked, ",")}, rights(t, test, pod.Spec.ServiceAccountName)); diff != "" {
				t.Errorf("rights:\n%s", diff)
			}
			evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
			if err != nil {
				t.Fatal(err)
			}
			level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
			if r := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec)); !r.Allowed {
				t.Error(r.ForbiddenDetail())
			}
			if len(test) != 4 || len(all[*rbacv1.ClusterRole](test)) != 1 {
				t.Errorf("%d objects", len(test))
			}
		})
	}
}

// decoded are the objects of a release, and those of its test.
func decoded(t *testing.T, text string) (release, test []runtime.Object) {
	t.Helper()
	decoder := serializer.NewCodecFactory(scheme(t), serializer.EnableStrict).UniversalDeserializer()
	for _, document := range strings.Split(text, "\n---\n") {
		object, _, err := decoder.Decode([]byte(document), nil, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		if !strings.Contains(document, "helm.sh/hook: test") {
			release = append(release, object)
			continue
		}
		if test = append(test, object); !strings.Contains(document, "helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded") {
			t.Errorf("it stays:\n%s", document)
		}
	}
	return release, test
}
