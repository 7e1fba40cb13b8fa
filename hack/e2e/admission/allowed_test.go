//go:build e2e

package admission

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	cased "github.com/loadline/loadline/hack/admission"
)

// person is the client of a user without any group that has rights.
func person(t *testing.T, name string) dynamic.Interface {
	t.Helper()
	config := rest.CopyConfig(system.Cluster.RESTConfig())
	config.Impersonate = rest.ImpersonationConfig{UserName: name}
	client, err := dynamic.NewForConfig(heard.of(config))
	must(t, err)
	return client
}

// rule reads a right of a case: VERB RESOURCE[.GROUP][/SUBRESOURCE] [NAME].
func rule(right string) map[string]any {
	words := strings.Fields(right)
	resource, subresource, nested := strings.Cut(words[1], "/")
	resource, group, _ := strings.Cut(resource, ".")
	if nested {
		resource += "/" + subresource
	}
	out := map[string]any{"apiGroups": []any{group}, "resources": []any{resource}, "verbs": []any{words[0]}}
	if len(words) > 2 {
		out["resourceNames"] = []any{words[2]}
	}
	return out
}

// grant gives a user the rights in a namespace, and waits until the API server knows.
func grant(t *testing.T, ns, user string, rights ...string) {
	t.Helper()
	rules := []any{}
	for _, r := range rights {
		rules = append(rules, rule(r))
	}
	const group = "rbac.authorization.k8s.io"
	for _, o := range []*unstructured.Unstructured{
		{Object: map[string]any{"apiVersion": group + "/v1", "kind": "Role", "metadata": map[string]any{"name": user}, "rules": rules}},
		{Object: map[string]any{
			"apiVersion": group + "/v1", "kind": "RoleBinding", "metadata": map[string]any{"name": user},
			"roleRef":  map[string]any{"apiGroup": group, "kind": "Role", "name": user},
			"subjects": []any{map[string]any{"apiGroup": group, "kind": "User", "name": user}},
		}},
	} {
		_, err := of(ours, ns, o).Create(t.Context(), o, metav1.CreateOptions{})
		must(t, err)
	}
	for _, r := range rights {
		system.Until(t, user+" may "+r, soon, func(ctx context.Context) (bool, string) { return may(ctx, ns, user, r) })
	}
}

// may asks the API server whether a user has a right.
func may(ctx context.Context, ns, user, right string) (bool, string) {
	client, err := kubernetes.NewForConfig(system.Cluster.RESTConfig())
	if err != nil {
		return false, err.Error()
	}
	words := append(strings.Fields(right), "")
	resource, subresource, _ := strings.Cut(words[1], "/")
	resource, group, _ := strings.Cut(resource, ".")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{
		Namespace: ns, Verb: words[0], Group: group, Resource: resource, Subresource: subresource, Name: words[2],
	}}}
	answer, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, err.Error()
	}
	return answer.Status.Allowed, answer.Status.Reason
}

// Every case of whoever asks Loadline to move a Service or to empty a workload: what is
// refused says so as Forbidden, in a dry run and in earnest, and is not stored.
func TestRights(t *testing.T) {
	cases, err := cased.Load(manifests("hack", "admission", "testdata", "rights"))
	must(t, err)
	who := person(t, "somebody")
	const policies = "autoscalingpolicies.loadline.dev"
	asks := []string{"get " + policies, "create " + policies, "patch " + policies}
	// The API server reads a rule some time after it was stored.
	first := namespace(t, nil)
	grant(t, first, "somebody", asks...)
	system.Until(t, "the rule is in force", soon, func(context.Context) (bool, string) {
		err := request(t, who, &cases[0], first, []string{metav1.DryRunAll})
		return err != nil && strings.Contains(err.Error(), "may not patch Service"), fmt.Sprint(err)
	})
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t, nil)
			if c.Change != nil {
				o := c.Object.DeepCopy()
				_, err := of(ours, ns, o).Create(t.Context(), o, metav1.CreateOptions{})
				must(t, err)
			}
			grant(t, ns, "somebody", append(slices.Clone(asks), c.Rights...)...)
			version := stored(t, &c, ns)
			for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
				var got []string
				if err := request(t, who, &c, ns, dryRun); err != nil {
					message, wrong := cased.Refusal(err.Error())
					if wrong != nil {
						t.Fatal(wrong)
					}
					if got = append(got, message); !apierrors.IsForbidden(err) {
						t.Errorf("the reason of the refusal: %v", apierrors.ReasonForError(err))
					}
				}
				if diff := cmp.Diff(c.Want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("dry run %v:\n%s", dryRun, diff)
				}
			}
			if is := stored(t, &c, ns); (is == version) != (len(c.Want) > 0) {
				t.Errorf("stored %q, before that %q", is, version)
			}
		})
	}
}

// Whoever administers a namespace, by the cluster's own role, can give loadline-policy the
// rights of a switch there, and it has them nowhere else; whoever may only edit cannot.
func TestSwitchIsGivenByNamespace(t *testing.T) {
	ns, other := namespace(t, nil), namespace(t, nil)
	const account = "system:serviceaccount:loadline-system:loadline-policy"
	for _, role := range []string{"edit", "admin"} {
		_, code := kubectl(t, ns, "", "create", "rolebinding", "as-"+role, "--clusterrole="+role, "--user="+role)
		if code != 0 {
			t.Fatalf("exit code %d", code)
		}
	}
	system.Until(t, "the administrator may bind", soon, func(ctx context.Context) (bool, string) {
		return may(ctx, ns, "admin", "create rolebindings.rbac.authorization.k8s.io")
	})
	binding := manifests("deploy", "examples", "switch", "rolebinding.yaml")
	if said, code := kubectl(t, ns, "", "apply", "-f", binding, "--as=edit"); code != 1 || !strings.Contains(said, "forbidden") {
		t.Errorf("an editor gives it: exit code %d", code)
	}
	if _, code := kubectl(t, ns, "", "apply", "-f", binding, "--as=admin"); code != 0 {
		t.Errorf("an administrator does not give it: exit code %d", code)
	}
	const right = "patch services web"
	system.Until(t, "loadline-policy may patch Services", soon, func(ctx context.Context) (bool, string) { return may(ctx, ns, account, right) })
	if is, why := may(t.Context(), other, account, right); is {
		t.Errorf("in another namespace: %s", why)
	}
	// Whoever may edit has what it takes to ask for a switch.
	grant(t, ns, "edit", "create autoscalingpolicies.loadline.dev")
	must(t, asks(t, person(t, "edit"), ns))
}

// asks creates a managed policy as a dry run.
func asks(t *testing.T, who dynamic.Interface, ns string) error {
	t.Helper()
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "loadline.dev/v1alpha1", "kind": "AutoscalingPolicy", "metadata": map[string]any{"name": "web"},
		"spec": map[string]any{
			"blueGreen": map[string]any{"mode": "Managed", "service": "web", "otherRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "green"}},
			"rollout":   map[string]any{"predecessor": "ScaleToZero"},
		},
	}}
	cased.Fill(o)
	_, err := of(who, ns, o).Create(t.Context(), o, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return fmt.Errorf("an editor asks for a switch: %w", err)
	}
	return nil
}
