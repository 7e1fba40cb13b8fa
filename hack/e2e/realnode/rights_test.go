//go:build e2e

package realnode

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/hack/lab"
)

// verbs are all that RBAC knows of resources, but for those of single kinds.
var verbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}

// request is one thing that a ServiceAccount may try.
type request struct{ namespace, group, resource, name, verb string }

func (r request) String() string {
	return fmt.Sprintf("%s %s.%s %q in %q", r.verb, r.resource, r.group, r.name, r.namespace)
}

// rights: each ServiceAccount may do what the release lists for it, and nothing else. Every
// resource that the cluster has is tried, with every verb, in our namespace, in another one
// and in none, by a name of ours and by a stranger's. The API server says what it would do;
// some of it is then really tried.
func rights(t *testing.T) {
	objects, err := lab.Decode([]byte(helm(t, "get", "manifest", "loadline", "--namespace", adapterNamespace)))
	if err != nil {
		t.Fatal(err)
	}
	var listed []grant
	bindings := 0
	for _, o := range objects {
		if k := o.GetKind(); k == "ClusterRoleBinding" || k == "RoleBinding" {
			bindings++
			var b rbacv1.RoleBinding // has the fields of both
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &b); err != nil {
				t.Fatal(err)
			}
			listed = append(listed, grants(t, &b)...)
		}
	}
	if bindings < 5 {
		t.Fatalf("the release has %d bindings", bindings)
	}
	requests := everything(t)
	for _, account := range []string{adapter, policies} {
		t.Run(account, func(t *testing.T) {
			user := "system:serviceaccount:" + adapterNamespace + ":" + account
			groups := []string{"system:serviceaccounts", "system:serviceaccounts:" + adapterNamespace, "system:authenticated"}
			allowed, wrong := 0, 0
			for r, may := range asked(t, user, groups, requests) {
				if may {
					allowed++
				}
				if want := slices.ContainsFunc(listed, func(g grant) bool { return g.account == account && g.allows(r) }) || everybody(r); may != want && wrong < 20 {
					wrong++
					t.Errorf("%s: allowed %t, listed %t", r, may, want)
				}
			}
			t.Logf("%s: %d of %d requests are allowed, as listed", account, allowed, len(requests))
			if allowed == 0 {
				t.Error("nothing is allowed")
			}
			refused(t, user, groups)
		})
	}
}

// grant is a rule that a binding gives an account.
type grant struct {
	account, namespace string // empty: in all namespaces
	rule               rbacv1.PolicyRule
}

func (g grant) allows(r request) bool {
	has := func(list []string, s string) bool { return slices.Contains(list, s) || slices.Contains(list, "*") }
	return (g.namespace == "" || g.namespace == r.namespace) && has(g.rule.APIGroups, r.group) && has(g.rule.Resources, r.resource) && has(g.rule.Verbs, r.verb) &&
		(len(g.rule.ResourceNames) == 0 || slices.Contains(g.rule.ResourceNames, r.name))
}

// grants reads the rules of a binding's role as the cluster has them: those of the built-in
// roles, and those that it joins, are nowhere else.
func grants(t *testing.T, b *rbacv1.RoleBinding) []grant {
	t.Helper()
	var rules []rbacv1.PolicyRule
	if b.RoleRef.Kind == "ClusterRole" {
		r, err := node.Client.RbacV1().ClusterRoles().Get(t.Context(), b.RoleRef.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rules = r.Rules
	} else {
		r, err := node.Client.RbacV1().Roles(b.Namespace).Get(t.Context(), b.RoleRef.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rules = r.Rules
	}
	var found []grant
	for _, s := range b.Subjects {
		if s.Kind != "ServiceAccount" || s.Namespace != adapterNamespace {
			t.Errorf("%s binds the %s %s/%s", b.Name, s.Kind, s.Namespace, s.Name)
			continue
		}
		for _, rule := range rules {
			found = append(found, grant{s.Name, b.Namespace, rule})
		}
	}
	return found
}

// everybody may ask about himself, and each ServiceAccount may read the CAs that are
// published; that is the cluster's to give.
func everybody(r request) bool {
	if r.resource == "clustertrustbundles" && r.group == "certificates.k8s.io" {
		return slices.Contains([]string{"get", "list", "watch"}, r.verb)
	}
	own := map[string]string{"selfsubjectaccessreviews": "authorization.k8s.io", "selfsubjectrulesreviews": "authorization.k8s.io", "selfsubjectreviews": "authentication.k8s.io"}
	return r.verb == "create" && own[r.resource] == r.group && r.group != ""
}

// everything is each resource of the cluster, with each verb.
func everything(t *testing.T) []request {
	t.Helper()
	_, lists, err := node.Client.Discovery().ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[request]bool{}
	for _, list := range lists {
		group, _, found := strings.Cut(list.GroupVersion, "/")
		if !found {
			group = ""
		}
		if strings.HasSuffix(group, "metrics.k8s.io") {
			continue // its resources are metrics
		}
		for _, r := range list.APIResources {
			namespaces := []string{""}
			if r.Namespaced {
				namespaces = []string{"", adapterNamespace, "default"}
			}
			for _, namespace := range namespaces {
				for _, verb := range verbs {
					for _, name := range names(verb) {
						seen[request{namespace, group, r.Name, name, verb}] = true
					}
				}
			}
		}
	}
	var all []request
	for r := range seen {
		all = append(all, r)
	}
	return all
}

// names are those that a request of a verb can have. Some rules name what they allow.
func names(verb string) []string {
	switch verb {
	case "list", "watch", "create", "deletecollection":
		return []string{""}
	}
	return []string{"stranger", "loadline-adapter-tls", "loadline-policy", "extension-apiserver-authentication", "v1beta2.custom.metrics.k8s.io"}
}

// asked is what the API server answers about each request.
func asked(t *testing.T, user string, groups []string, requests []request) map[request]bool {
	t.Helper()
	config := node.RESTConfig()
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var mu sync.Mutex
	answers := map[request]bool{}
	var failed error
	work := make(chan request)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for r := range work {
				resource, sub, _ := strings.Cut(r.resource, "/")
				review, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
					Spec: authorizationv1.SubjectAccessReviewSpec{User: user, Groups: groups, ResourceAttributes: &authorizationv1.ResourceAttributes{
						Namespace: r.namespace, Group: r.group, Resource: resource, Subresource: sub, Name: r.name, Verb: r.verb,
					}},
				}, metav1.CreateOptions{})
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					answers[r] = review.Status.Allowed
				}
				mu.Unlock()
			}
		})
	}
	for _, r := range requests {
		work <- r
	}
	close(work)
	workers.Wait()
	if failed != nil {
		t.Fatal(failed)
	}
	return answers
}

// refused tries, as the account, what would be worst.
func refused(t *testing.T, user string, groups []string) {
	t.Helper()
	config := node.RESTConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for what, try := range map[string]func() error{
		"list Secrets": func() error {
			_, err := client.CoreV1().Secrets(adapterNamespace).List(ctx, metav1.ListOptions{})
			return err
		},
		"read a Secret of another namespace": func() error {
			_, err := client.CoreV1().Secrets("kube-system").Get(ctx, "loadline-adapter-tls", metav1.GetOptions{})
			return err
		},
		"delete a pod": func() error {
			return client.CoreV1().Pods(adapterNamespace).Delete(ctx, "any", metav1.DeleteOptions{})
		},
		"enter a pod": func() error {
			return client.CoreV1().RESTClient().Post().Namespace(adapterNamespace).Resource("pods").Name("any").SubResource("exec").Do(ctx).Error()
		},
		"make a token": func() error {
			return client.CoreV1().RESTClient().Post().Namespace(adapterNamespace).Resource("serviceaccounts").Name("default").SubResource("token").Body([]byte("{}")).Do(ctx).Error()
		},
		"delete a Deployment": func() error {
			return client.AppsV1().Deployments(adapterNamespace).Delete(ctx, adapter, metav1.DeleteOptions{})
		},
		"take another API over": func() error {
			return client.Discovery().RESTClient().Delete().AbsPath("/apis/apiregistration.k8s.io/v1/apiservices/v1.apps").Do(ctx).Error()
		},
		"bind itself to more": func() error {
			_, err := client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: "more"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
			}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err
		},
	} {
		if err := try(); !apierrors.IsForbidden(err) {
			t.Errorf("%s may %s: %v", user, what, err)
		}
	}
}
