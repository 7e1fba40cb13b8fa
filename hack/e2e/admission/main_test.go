//go:build e2e

// Package admission asks a real API server what the policies of deploy/admission, and the
// one of deploy/policy, say about writes. It runs in a namespace of hack/netns (make e2e).
package admission

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/hack/e2e/suite"
	"github.com/loadline/loadline/hack/lab"
)

// system is what all tests share.
var system suite.Suite

// somebody is an administrator; the others are those that no policy says anything to,
// with an administrator's rights. heard takes the warnings of somebody's requests.
var (
	somebody, scaler, ours dynamic.Interface
	heard                  warnings
)

func TestMain(m *testing.M) {
	os.Exit(system.Main(m, lab.Options{}, connect, install))
}

func connect(context.Context) error {
	config := system.Cluster.RESTConfig()
	config.QPS, config.Burst = 500, 1000
	var err error
	if somebody, err = dynamic.NewForConfig(heard.of(config)); err != nil {
		return err
	}
	if scaler, err = dynamic.NewForConfig(heard.of(as(config, "kube-system", "horizontal-pod-autoscaler"))); err != nil {
		return err
	}
	ours, err = dynamic.NewForConfig(heard.of(as(config, "loadline-system", "loadline-policy")))
	return err
}

// as is a configuration of a service account, with all rights.
func as(config *rest.Config, namespace, name string) *rest.Config {
	config = rest.CopyConfig(config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + namespace + ":" + name, Groups: []string{"system:masters"},
	}
	return config
}

// warnings are those of the requests since they were taken last.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

// of makes a configuration's clients tell us of them.
func (w *warnings) of(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.WarningHandler = w
	return config
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.texts = nil }()
	return slices.Clone(w.texts)
}

// manifests is a directory of the repository.
func manifests(path ...string) string {
	root, _ := filepath.Abs(os.Getenv("LOADLINE_ROOT")) // main has asked for it
	return filepath.Join(append([]string{root}, path...)...)
}

// install applies deploy/admission as users do, and of deploy/policy what needs no
// loadline-policy.
func install(ctx context.Context) error {
	for _, args := range [][]string{
		{"apply", "-k", manifests("deploy", "admission")},
		{"apply", "--server-side", "-k", manifests("deploy", "crd")},
		{"wait", "--for=condition=Established", "--timeout=1m", "crd/autoscalingpolicies.loadline.dev"},
		{"apply", "-f", manifests("deploy", "policy", "controller", "admission-rights.yaml"), "-f", manifests("deploy", "policy", "controller", "rbac-switch.yaml")},
	} {
		if out, err := system.Cluster.Kubectl(ctx, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// resources are those of the kinds that the cases are about.
var resources = map[string]schema.GroupVersionResource{
	"HorizontalPodAutoscaler": {Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
	"Deployment":              {Group: "apps", Version: "v1", Resource: "deployments"},
	"StatefulSet":             {Group: "apps", Version: "v1", Resource: "statefulsets"},
	"ReplicaSet":              {Group: "apps", Version: "v1", Resource: "replicasets"},
	"ReplicationController":   {Version: "v1", Resource: "replicationcontrollers"},
	"Namespace":               {Version: "v1", Resource: "namespaces"},
	"AutoscalingPolicy":       {Group: "loadline.dev", Version: "v1alpha1", Resource: "autoscalingpolicies"},
	"Role":                    {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
	"RoleBinding":             {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	"ValidatingAdmissionPolicy": {
		Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingadmissionpolicies",
	},
}

// of returns where a client finds objects of a kind.
func of(client dynamic.Interface, namespace string, o *unstructured.Unstructured) dynamic.ResourceInterface {
	return client.Resource(resources[o.GetKind()]).Namespace(namespace)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// soon is how long the API server may take to know what was written.
const soon = 20 * time.Second

// namespace makes one for the test's time.
func namespace(t *testing.T, labels map[string]string) string {
	t.Helper()
	n := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"generateName": "admission-"},
	}}
	n.SetLabels(labels)
	stored, err := somebody.Resource(resources["Namespace"]).Create(t.Context(), n, metav1.CreateOptions{})
	must(t, err)
	t.Cleanup(func() {
		// Not the test's context, which is done by now.
		if err := somebody.Resource(resources["Namespace"]).Delete(context.Background(), stored.GetName(), metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return stored.GetName()
}
