//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/metrics/pkg/apis/external_metrics/v1beta1"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

const (
	customPath   = "/apis/custom.metrics.k8s.io/"
	externalPath = "/apis/external.metrics.k8s.io/v1beta1"
	inRemindMe   = "/namespaces/" + lab.RemindMeNamespace
)

// Test6Discovery: kubectl get --raw on the discovery of each group and version,
// which lists the metrics of each kind with its scope, and on OpenAPI.
func Test6Discovery(t *testing.T) {
	for name, tc := range map[string]struct {
		path string
		want []string
	}{
		"groups": {"/apis", []string{`"custom.metrics.k8s.io/v1beta1"`, `"custom.metrics.k8s.io/v1beta2"`, `"external.metrics.k8s.io/v1beta1"`, `"diagnostics.loadline.dev/v1alpha1"`}},
		"group":  {"/apis/custom.metrics.k8s.io", []string{`"v1beta1"`, `"v1beta2"`}},
		"openapi v2": {"/openapi/v2", []string{
			"io.k8s.metrics.pkg.apis.custom_metrics.v1beta2.MetricValueList", "io.k8s.metrics.pkg.apis.external_metrics.v1beta1.ExternalMetricValueList",
			"dev.loadline.diagnostics.v1alpha1.MetricList",
		}},
		"openapi v3": {"/openapi/v3/apis/custom.metrics.k8s.io/v1beta2", []string{"MetricValueList"}},
	} {
		t.Run(name, func(t *testing.T) {
			system.Until(t, tc.path, 10*time.Second, func(ctx context.Context) (bool, string) {
				data, err := kubectlRaw(ctx, tc.path)
				for _, want := range tc.want {
					if !strings.Contains(data, want) {
						return false, fmt.Sprintf("no %s in %v %.600s", want, err, data)
					}
				}
				return err == nil, fmt.Sprint(err)
			})
		})
	}
	scopes := map[string]bool{ // whether the described objects live in namespaces
		"pods/http_requests_per_second": true, "services/requests_per_second": true, "deployments.apps/requests_per_second": true,
		"namespaces/http_requests_per_second": false, "nodes/requests_per_second": false,
	}
	for path, want := range map[string]map[string]bool{
		customPath + "v1beta1": scopes, customPath + "v1beta2": scopes, externalPath: {"reminder_queue_depth": true},
	} {
		t.Run(path, func(t *testing.T) {
			system.Until(t, "the list of metrics", time.Minute, func(ctx context.Context) (bool, string) {
				data, err := kubectlRaw(ctx, path)
				if err != nil {
					return false, err.Error()
				}
				var list metav1.APIResourceList
				if err := json.Unmarshal([]byte(data), &list); err != nil {
					return false, err.Error()
				}
				got := map[string]bool{}
				for _, r := range list.APIResources {
					if _, wanted := want[r.Name]; wanted && slices.Contains(r.Verbs, "get") {
						got[r.Name] = r.Namespaced
					}
				}
				return cmp.Equal(want, got), fmt.Sprintf("%s\n%s", cmp.Diff(want, got), data)
			})
		})
	}
}

// Test6PathForms: kubectl get --raw on each path form of custom metrics (objects
// in a namespace, of the core and of another group, root-scoped objects and the
// Namespace object; by name, all of them and by labels; metricLabelSelector), in
// both versions, and of external metrics. Each answer describes the right objects
// and no other, by the right metric, with a value above 0 that is not old.
func Test6PathForms(t *testing.T) {
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 10)
	replicas(t, "remindmeweb", 2, 2*time.Minute)
	replicas(t, "remindmeapi", 2, 2*time.Minute)
	choose(t)

	pods := podNames(t, "remindmeweb", "remindmeapi")
	webPods := podNames(t, "remindmeweb")
	nodes, err := system.Client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) != 1 {
		t.Fatal(nodes, err)
	}
	node := nodes.Items[0].Name
	const chosen, nothing = "?labelSelector=" + chosenLabel, "?labelSelector=no%3Dsuch"
	const services, deployments = inRemindMe + "/services/", inRemindMe + "/deployments.apps/"
	const namespaces = "/namespaces/*/metrics/http_requests_per_second"
	for name, tc := range map[string]struct {
		path, kind string
		want       []string
	}{
		"a pod":              {inRemindMe + "/pods/" + webPods[0] + "/http_requests_per_second", "Pod", webPods[:1]},
		"all pods":           {inRemindMe + "/pods/*/http_requests_per_second", "Pod", pods},
		"pods by label":      {inRemindMe + "/pods/*/http_requests_per_second?labelSelector=app.kubernetes.io%2Fname%3Dremindmeweb", "Pod", webPods},
		"pods, metric label": {inRemindMe + "/pods/*/http_requests_per_second?metricLabelSelector=method%3Dget", "Pod", pods},
		"pods, both":         {inRemindMe + "/pods/*/http_requests_per_second?labelSelector=app.kubernetes.io%2Fname%3Dremindmeweb&metricLabelSelector=method%3Dget", "Pod", webPods},
		"pods of no label":   {inRemindMe + "/pods/*/http_requests_per_second" + nothing, "Pod", nil},
		"a service":          {services + "remindmeweb-service/requests_per_second", "Service", []string{"remindmeweb-service"}},
		"all services":       {services + "*/requests_per_second", "Service", []string{"remindmeapi-service", "remindmeweb-service"}},
		"services by label":  {services + "*/requests_per_second" + chosen, "Service", []string{"remindmeapi-service"}},
		"services, none":     {services + "*/requests_per_second" + nothing, "Service", nil},
		"a deployment":       {deployments + "remindmeweb-deployment/requests_per_second", "Deployment", []string{"remindmeweb-deployment"}},
		"all deployments":    {deployments + "*/requests_per_second", "Deployment", []string{"remindmeweb-deployment"}},
		"deployments, label": {deployments + "*/requests_per_second" + chosen, "Deployment", []string{"remindmeweb-deployment"}},
		"deployments, none":  {deployments + "*/requests_per_second" + nothing, "Deployment", nil},
		"a node":             {"/nodes/" + node + "/requests_per_second", "Node", []string{node}},
		"all nodes":          {"/nodes/*/requests_per_second", "Node", []string{node}},
		"nodes by label":     {"/nodes/*/requests_per_second?labelSelector=kubernetes.io%2Fhostname%3D" + node, "Node", []string{node}},
		"nodes, none":        {"/nodes/*/requests_per_second" + nothing, "Node", nil},
		// As the HPA controller asks for what an Object metric describes, inside the
		// HPA's namespace.
		"a node of an HPA":    {inRemindMe + "/nodes/" + node + "/requests_per_second", "Node", []string{node}},
		"a Namespace object":  {inRemindMe + "/metrics/http_requests_per_second", "Namespace", []string{lab.RemindMeNamespace}},
		"as any other object": {inRemindMe + inRemindMe + "/http_requests_per_second", "Namespace", []string{lab.RemindMeNamespace}},
		"all Namespaces":      {namespaces, "Namespace", []string{lab.RemindMeNamespace}},
		"Namespaces by label": {namespaces + "?labelSelector=kubernetes.io%2Fmetadata.name%3D" + lab.RemindMeNamespace, "Namespace", []string{lab.RemindMeNamespace}},
		"Namespaces, none":    {namespaces + nothing, "Namespace", nil},
	} {
		for _, version := range []string{"v1beta1", "v1beta2"} {
			t.Run(name+" "+version, func(t *testing.T) {
				metric, _, _ := strings.Cut(tc.path[strings.LastIndex(tc.path, "/")+1:], "?")
				system.Until(t, tc.path, 15*time.Second, func(ctx context.Context) (bool, string) {
					data, err := kubectlRaw(ctx, customPath+version+tc.path)
					if err != nil {
						return false, err.Error()
					}
					names, err := describes(data, tc.kind, metric)
					return err == nil && slices.Equal(names, tc.want), fmt.Sprintf("%v\n%s\nwant %s %v", err, data, tc.kind, tc.want)
				})
			})
		}
	}
	for name, query := range map[string]string{"external": "", "external by label": "?labelSelector=queue%3Dreminders"} {
		t.Run(name, func(t *testing.T) {
			data, err := kubectlRaw(t.Context(), externalPath+inRemindMe+"/reminder_queue_depth"+query)
			var got v1beta1.ExternalMetricValueList
			if err != nil || json.Unmarshal([]byte(data), &got) != nil {
				t.Fatal(err, data)
			}
			if got.Kind != "ExternalMetricValueList" || len(got.Items) != 1 || got.Items[0].MetricName != "reminder_queue_depth" || got.Items[0].MetricLabels["queue"] != "reminders" {
				t.Error(data)
			}
		})
	}
}

// describes lists the objects that an answer is about, sorted. All have to be of
// a kind, and have a value above 0 by the metric, evaluated in the last seconds.
func describes(data, kind, metric string) ([]string, error) {
	var list struct {
		Kind  string
		Items []struct {
			DescribedObject corev1.ObjectReference
			MetricName      string                // v1beta1
			Metric          struct{ Name string } // v1beta2
			Value           resource.Quantity
			Timestamp       metav1.Time
		}
	}
	if err := json.Unmarshal([]byte(data), &list); err != nil {
		return nil, err
	}
	if list.Kind != "MetricValueList" {
		return nil, fmt.Errorf("it is a %s", list.Kind)
	}
	var names []string
	for _, item := range list.Items {
		age := time.Since(item.Timestamp.Time) // of whole seconds
		if item.DescribedObject.Kind != kind || item.MetricName+item.Metric.Name != metric || item.Value.Sign() <= 0 || age > 10*time.Second {
			return nil, fmt.Errorf("%+v is not what was asked for", item)
		}
		names = append(names, item.DescribedObject.Name)
	}
	slices.Sort(names)
	return names, nil
}

const chosenLabel = "loadline.dev%2Fe2e%3Dchosen"

// choose labels a Service and a Deployment for the test's time.
func choose(t *testing.T) {
	t.Helper()
	label := func(ctx context.Context, value string) error {
		patch := []byte(`{"metadata":{"labels":{"loadline.dev/e2e":` + value + `}}}`)
		if _, err := system.Client.CoreV1().Services(lab.RemindMeNamespace).Patch(ctx, "remindmeapi-service", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return err
		}
		_, err := system.Client.AppsV1().Deployments(lab.RemindMeNamespace).Patch(ctx, "remindmeweb-deployment", types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	}
	if err := label(t.Context(), `"chosen"`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := label(context.WithoutCancel(t.Context()), "null"); err != nil {
			t.Error(err)
		}
	})
}

// podNames are the names of the running pods of apps, sorted.
func podNames(t *testing.T, apps ...string) []string {
	t.Helper()
	pods, err := system.Client.CoreV1().Pods(lab.RemindMeNamespace).List(t.Context(), metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/name in (" + strings.Join(apps, ",") + ")",
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range pods.Items {
		if p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names
}

// kubectlRaw is kubectl get --raw.
func kubectlRaw(ctx context.Context, path string) (string, error) {
	var stderr bytes.Buffer
	cmd := system.Cluster.Kubectl(ctx, "get", "--raw", path)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, &stderr)
	}
	return string(out), nil
}
