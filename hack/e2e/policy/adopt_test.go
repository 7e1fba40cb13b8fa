//go:build e2e

package policy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

// foreign is an HPA as a person would have made it.
func foreign(namespace, name string) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"team": "shop", hpa.ManagedByLabel: "shop-team"}},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name},
			// The policies' own: a higher one would come down step by step.
			MinReplicas: ptr.To[int32](2), MaxReplicas: 20,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: "cpu", Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To[int32](70)},
			}}},
		},
	}
}

// unchanged fails if an HPA's spec becomes another within a while.
func unchanged(t *testing.T, h *autoscalingv2.HorizontalPodAutoscaler) {
	t.Helper()
	unchangedFor(t, h, 2*time.Second)
}

func unchangedFor(t *testing.T, h *autoscalingv2.HorizontalPodAutoscaler, span time.Duration) {
	t.Helper()
	system.Never(t, span, func(ctx context.Context) (bool, string) {
		now, err := getHPA(ctx, h.Namespace, h.Name)
		if err != nil {
			return true, err.Error()
		}
		diff := cmp.Diff(h.Spec, now.Spec)
		return diff != "", diff
	})
}

// An HPA that is there is taken over only when it says so itself; it gets its old spec
// back when it is let go. One that a GitOps tool goes on writing is not taken over, until
// what the condition says was done.
func adoption(t *testing.T, _ *metricAPI) {
	ns := namespace(t)
	h := foreign(ns, "web")
	must(t, kube.Create(t.Context(), h, client.FieldOwner("kubectl-create")))
	p := create(t, newPolicy(ns, "web"))
	ready(t, ns, "web", decide.ForeignHPA, soon)
	unchanged(t, h)

	before := h.Spec.DeepCopy()
	edit(t, h, func(h *autoscalingv2.HorizontalPodAutoscaler) {
		metav1.SetMetaDataAnnotation(&h.ObjectMeta, decide.AdoptAnnotation, "web")
	})
	system.Until(t, "the policy has it", soon, func(ctx context.Context) (bool, string) {
		p, err := getPolicy(ctx, ns, "web")
		if err != nil {
			return false, err.Error()
		}
		c := condition(p, v1alpha1.Conflict)
		return strings.HasPrefix(c, "Conflict=False"), c
	})
	if adopted := built(t, ns, "web"); adopted.UID != h.UID || adopted.Labels["team"] != "shop" || adopted.Annotations[decide.SavedAnnotation] == "" {
		t.Errorf("adopted: %+v", adopted.ObjectMeta)
	}

	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Mode = v1alpha1.Paused })
	edit(t, h, func(h *autoscalingv2.HorizontalPodAutoscaler) {
		metav1.SetMetaDataAnnotation(&h.ObjectMeta, decide.ReleaseAnnotation, decide.ReleaseRestore)
	})
	system.Until(t, "the HPA as it was", soon, func(ctx context.Context) (bool, string) {
		now, err := getHPA(ctx, ns, "web")
		if err != nil {
			return false, err.Error()
		}
		diff := cmp.Diff(before, &now.Spec) + cmp.Diff(map[string]string{"team": "shop", hpa.ManagedByLabel: "shop-team"}, now.Labels)
		left := traces(now)
		return diff == "" && left == "" && len(now.Annotations) == 0, diff + fmt.Sprint(now.Annotations) + left
	})

	t.Run("of a GitOps tool", func(t *testing.T) {
		file := manifest(t, `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: api
  namespace: NAMESPACE
  annotations: {loadline.dev/adopt: api}
  labels: {argocd.argoproj.io/instance: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}
  maxReplicas: 20
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
`, ns)
		kubectl(t, "apply", "--server-side", "--field-manager=argocd-controller", "-f", file)
		h, err := getHPA(t.Context(), ns, "api")
		must(t, err)
		create(t, newPolicy(ns, "api"))
		ready(t, ns, "api", decide.FieldOwner, soon)
		unchanged(t, h)

		ran := false
		system.Until(t, "the policy has it", soon, func(ctx context.Context) (bool, string) {
			p, err := getPolicy(ctx, ns, "api")
			if err != nil {
				return false, err.Error()
			}
			c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.Conflict)
			if c == nil || c.Status == metav1.ConditionFalse {
				return c != nil, "no condition"
			}
			_, commands, found := strings.Cut(c.Message, "remove what is left of it: ")
			if found && !ran {
				for _, command := range strings.Split(commands, "; ") {
					command = strings.ReplaceAll(strings.TrimPrefix(command, "kubectl "), "'", "")
					kubectl(t, strings.Fields(command)...)
				}
				ran = true
			}
			return false, c.Message
		})
		if adopted, err := getHPA(t.Context(), ns, "api"); err != nil || adopted.UID != h.UID || adopted.Annotations[decide.SavedAnnotation] == "" || !ran {
			t.Errorf("adopted: %+v, %v", adopted.ObjectMeta, err)
		}
	})
}

// A policy that a GitOps tool has applied stays as it was applied, to whichever of the
// two ways to compare, whatever its status says.
func noDrift(t *testing.T, _ *metricAPI) {
	ns := namespace(t)
	text := `
apiVersion: loadline.dev/v1alpha1
kind: AutoscalingPolicy
metadata: {name: web, namespace: NAMESPACE, labels: {argocd.argoproj.io/instance: shop}}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  replicas: {min: 2, max: 6}
  objectives:
  - requestRate: {perPod: 50}
  - queue: {name: mail, perPod: "1000m"}
  schedules: [{name: always, start: "0 0 * * *", duration: 1440m, min: 3}]
  fallback: {after: 120s, min: 3}
`
	file := manifest(t, text, ns)
	for name, flags := range map[string][]string{"client-side": nil, "server-side": {"--server-side"}} {
		t.Run(name, func(t *testing.T) {
			kubectl(t, append([]string{"apply", "-f", file}, flags...)...)
			minimum(t, ns, "web", 3, soon)
			p, err := getPolicy(t.Context(), ns, "web")
			must(t, err)
			if len(p.Status.Floors) != 1 {
				t.Errorf("status %+v", p.Status)
			}
			kubectl(t, append([]string{"diff", "-f", file}, flags...)...)
			h, err := getHPA(t.Context(), ns, "web")
			must(t, err)
			for key := range h.Labels {
				if strings.HasPrefix(key, "argocd") {
					t.Errorf("the HPA carries %s", key)
				}
			}
			must(t, kube.Delete(t.Context(), p))
			gone(t, ns, "web")
		})
	}
}

func manifest(t *testing.T, text, namespace string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.yaml")
	must(t, os.WriteFile(file, []byte(strings.ReplaceAll(text, "NAMESPACE", namespace)), 0o600))
	return file
}

// kubectl fails the test where it fails; diff does where there is a difference.
func kubectl(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if out, err := system.Cluster.Kubectl(ctx, args...).CombinedOutput(); err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
