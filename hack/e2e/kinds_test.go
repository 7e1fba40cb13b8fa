//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

const (
	gadgetPath  = customPath + "v1beta2" + inRemindMe + "/gadgets.e2e.loadline.dev/remindmeweb-service/gadget_requests_per_second"
	gadgetsPath = customPath + "v1beta2" + inRemindMe + "/gadgets.e2e.loadline.dev/*/gadget_requests_per_second"
)

// The kind that testdata/rules.yaml maps a label to, one object of it, and the
// ClusterRole that the adapter's error tells to add.
const (
	gadgetDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.e2e.loadline.dev}
spec:
  group: e2e.loadline.dev
  names: {kind: Gadget, plural: gadgets, singular: gadget}
  scope: Namespaced
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
`
	gadgetObject = `{apiVersion: e2e.loadline.dev/v1, kind: Gadget, metadata: {name: remindmeweb-service, namespace: ` + lab.RemindMeNamespace + `}}`
	gadgetRole   = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: e2e-gadgets
  labels: {loadline.dev/aggregate-to-adapter: "true"}
rules:
- {apiGroups: [e2e.loadline.dev], resources: [gadgets], verbs: [list, watch]}
`
)

// Test7Kinds: a rule's resource is first one that the cluster does not know, then
// one that the adapter may not list, then one that it may. Reads of the first fail with
// the cause and the remedy; of the second only those of lists do, until the right is
// there, and an HPA on one object has its value. In each of these states both replicas
// serve the other metrics, and in the second a restarted adapter becomes ready although
// an HPA references the kind.
func Test7Kinds(t *testing.T) {
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 10)
	othersServed(t)

	t.Run("unresolvable", func(t *testing.T) {
		readGadget(t, gadgetPath, 30*time.Second, http.StatusNotFound, "rules[", ".resources.overrides.service", "the resource gadget.e2e.loadline.dev cannot be found in the cluster", "correct it, or install what defines it")
		othersServed(t)
	})

	definition, object, role := decode(t, gadgetDefinition), decode(t, gadgetObject), decode(t, gadgetRole)
	t.Cleanup(func() {
		if err := remove(context.WithoutCancel(t.Context()), slices.Concat(definition, role)...); err != nil {
			t.Error(err)
		}
	})
	if err := system.Apply(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
	system.Until(t, "an object of the new kind", 30*time.Second, func(ctx context.Context) (bool, string) {
		err := system.Apply(ctx, object)
		return err == nil, fmt.Sprint(err)
	})

	t.Run("forbidden", forbidden)
	t.Run("allowed", func(t *testing.T) {
		if err := system.Apply(t.Context(), role); err != nil {
			t.Fatal(err)
		}
		// What was forbidden is tried again after as long as it has been, and in 5 minutes at most.
		readGadget(t, gadgetsPath, 5*time.Minute, http.StatusOK)
		othersServed(t)
	})
}

// forbidden: reads of lists tell the remedy, the HPA has the value of the object that it
// names, and a restarted adapter does not wait for the kind.
func forbidden(t *testing.T) {
	remedy := []string{"may not list gadgets.e2e.loadline.dev", "ClusterRole labelled loadline.dev/aggregate-to-adapter=true", `apiGroups ["e2e.loadline.dev"], resources ["gadgets"], verbs [list, watch]`}
	scaleOnGadget(t)
	readGadget(t, gadgetsPath, 2*time.Minute, http.StatusInternalServerError, remedy...)
	readGadget(t, gadgetPath, time.Minute, http.StatusOK)
	othersServed(t)
	system.Until(t, "the HPA has the value", time.Minute, func(ctx context.Context) (bool, string) {
		h, err := hpa(ctx, "e2e-gadget")
		if err != nil {
			return false, err.Error()
		}
		m := h.Status.CurrentMetrics
		return len(m) == 1 && m[0].Object != nil && m[0].Object.Current.Value != nil, describe(h)
	})

	victim := adapterPods(t)[0]
	if err := system.Node.Kill(lab.AdapterNamespace, victim.Name, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	system.Until(t, "the killed adapter is noticed", 10*time.Second, func(context.Context) (bool, string) {
		return len(adapterPods(t)) == 1, "two are ready"
	})
	// A kind that is waited for would keep it unready for 30 s.
	system.Until(t, "the restarted adapter is ready", 15*time.Second, func(context.Context) (bool, string) {
		return len(adapterPods(t)) == 2, "one is ready"
	})
	othersServed(t)
}

// readGadget waits until both replicas answer with a code and, if that is an error, with
// texts in its message.
func readGadget(t *testing.T, path string, limit time.Duration, want int, texts ...string) {
	t.Helper()
	for _, pod := range adapterPods(t) {
		system.Until(t, fmt.Sprintf("%s says %d", pod.Name, want), limit, func(context.Context) (bool, string) {
			code, body := directly(t, system.Cluster.RESTConfig(), pod, path)
			for _, text := range texts {
				if !strings.Contains(message(body), text) {
					return false, string(body)
				}
			}
			return code == want, string(body)
		})
	}
}

// othersServed fails unless both replicas answer for other metrics.
func othersServed(t *testing.T) {
	t.Helper()
	for _, pod := range adapterPods(t) {
		paths := []string{webPath, depthPath}
		if system.Source() != lab.Embedded { // which has no rules of the tests
			paths = append(paths, customPath+"v1beta2"+inRemindMe+"/services/remindmeweb-service/requests_per_second")
		}
		for _, path := range paths {
			// The first read of a metric may come before its first evaluation.
			err := lab.Until(t.Context(), path, 15*time.Second, func(context.Context) (bool, string) {
				code, body := directly(t, system.Cluster.RESTConfig(), pod, path)
				return code == http.StatusOK, string(body)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// scaleOnGadget makes an HPA that references the metric for the test's time. It
// cannot scale: its bounds are what is there.
func scaleOnGadget(t *testing.T) {
	t.Helper()
	client := system.Client.AutoscalingV2().HorizontalPodAutoscalers(lab.RemindMeNamespace)
	_, err := client.Create(t.Context(), &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e-gadget"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "remindme-queue"},
			MinReplicas:    new(int32(1)), MaxReplicas: 1,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
				DescribedObject: autoscalingv2.CrossVersionObjectReference{APIVersion: "e2e.loadline.dev/v1", Kind: "Gadget", Name: "remindmeweb-service"},
				Metric:          autoscalingv2.MetricIdentifier{Name: "gadget_requests_per_second"},
				Target:          autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: new(resource.MustParse("100"))},
			}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Delete(context.WithoutCancel(t.Context()), "e2e-gadget", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

func decode(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := lab.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}
