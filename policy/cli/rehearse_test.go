package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/handoff"
)

// switched is a cluster with a policy whose two Deployments take turns.
type switched struct {
	policy      *v1alpha1.AutoscalingPolicy
	service     *corev1.Service
	blue, green *appsv1.Deployment
	hpas        []autoscalingv2.HorizontalPodAutoscaler
	refuse      map[string]metav1.StatusReason // by path
}

func newSwitched() *switched {
	colour := func(name string, size int32) *appsv1.Deployment {
		d := &appsv1.Deployment{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
		d.Spec.Replicas, d.Status.AvailableReplicas = &size, size
		d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
		d.Spec.Template.Labels = d.Spec.Selector.MatchLabels
		return d
	}
	s := &switched{
		policy: bluegreen(func(p *v1alpha1.AutoscalingPolicy) {
			p.APIVersion, p.Kind, p.Namespace = v1alpha1.GroupVersion.String(), v1alpha1.Kind, "shop"
			p.Spec.Mode, p.Spec.Replicas = v1alpha1.Enforce, v1alpha1.Replicas{Min: 1, Max: 6}
			p.Spec.BlueGreen.HeadroomPercent = ptr.To[int32](10)
			p.Status.BlueGreen = &v1alpha1.BlueGreenState{Serving: "blue"}
		}),
		service: &corev1.Service{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}},
		blue:    colour("blue", 3), green: colour("green", 1),
	}
	s.service.Spec.Selector = map[string]string{"app": "blue"}
	return s
}

// ServeHTTP is the API server as far as the command asks it.
func (s *switched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	object := map[string]any{
		"/apis/loadline.dev/v1alpha1/namespaces/shop/autoscalingpolicies/web": s.policy,
		"/api/v1/namespaces/shop/services/web":                                s.service,
		"/apis/apps/v1/namespaces/shop/deployments/blue":                      s.blue,
		"/apis/apps/v1/namespaces/shop/deployments/green":                     s.green,
		"/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers": &autoscalingv2.HorizontalPodAutoscalerList{
			TypeMeta: metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscalerList"}, Items: s.hpas,
		},
	}[r.URL.Path]
	if reason := s.refuse[r.URL.Path]; reason != "" {
		w.WriteHeader(http.StatusTeapot)
		object = metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Reason: reason, Message: "it says no"}
	}
	if err := json.NewEncoder(w).Encode(object); err != nil {
		panic(err)
	}
}

// A dry run says what a switch would come to, by what the caller may read.
func TestSwitchDryRun(t *testing.T) {
	const way = "The Service web is to go from blue to green (dry run)\n"
	for name, tt := range map[string]struct {
		edit func(*switched)
		want string
		code int
	}{
		"a size": {func(*switched) {}, way +
			"green would be scaled from 1 to 4 pods (blue needs 3 pods, 10% more are asked for, and replicas.max is 6), and the Service would move once these serve.\n" + notRehearsed + "\n", 0},
		"large enough": {func(s *switched) { s.green.Spec.Replicas = ptr.To[int32](5) }, way +
			"green has 5 pods, and 4 are enough (blue needs 3 pods, 10% more are asked for, and replicas.max is 6): the Service would move once these serve.\n" + notRehearsed + "\n", 0},
		"by what the HPA asks for": {func(s *switched) {
			h := autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
			h.Status.DesiredReplicas = 5
			s.hpas = append(s.hpas, h)
		}, way + "green would be scaled from 1 to 6 pods (blue needs 5 pods, 10% more are asked for, and replicas.max is 6), and the Service would move once these serve.\n" + notRehearsed + "\n", 0},
		"above the maximum": {func(s *switched) { s.policy.Spec.Replicas.Max = 2 }, way +
			"It would be given up at once: Deployment blue has 3 pods, and replicas.max is 2, which is all that Deployment green may get.\n" + notRehearsed + "\n", 1},
		"an HPA of its own": {func(s *switched) {
			h := autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}
			h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "green"}
			s.hpas = append(s.hpas, h)
		}, way + "It would be given up at once: the HPA mine scales Deployment green: delete it.\n" + notRehearsed + "\n", 1},
		"Helm's Service": {func(s *switched) {
			s.service.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "helm", Operation: "Update", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:selector":{}}}`)}}
		}, way + "It would be given up at once: helm (field manager, update) writes the selector of the Service web, and would undo the switch: change it there with mode Observed, or annotate the Service with " +
			handoff.AllowAnnotation + " and a reason.\n" + notRehearsed + "\n", 1},
		"no such Service": {func(s *switched) {
			s.refuse = map[string]metav1.StatusReason{"/api/v1/namespaces/shop/services/web": metav1.StatusReasonNotFound}
		}, way + "It would be given up at once: there is no Service web.\n" + notRehearsed + "\n", 1},
		"not allowed to read": {func(s *switched) {
			s.refuse = map[string]metav1.StatusReason{"/apis/apps/v1/namespaces/shop/deployments/green": metav1.StatusReasonForbidden}
		}, way + "More cannot be said: it says no\n", 0},
		"paused": {func(s *switched) {
			s.policy.Spec.Mode = v1alpha1.Paused
			s.policy.Status.BlueGreen.Serving = "green"
		}, "The Service web stays with green (dry run)\nNothing is done while the mode of the policy is Paused: set spec.mode to Enforce.\n", 0},
		"under way": {func(s *switched) {
			s.policy.Status.BlueGreen.Switch = &v1alpha1.Switch{From: "blue", To: "green", Managed: true, Phase: v1alpha1.Waiting}
		}, "The switch of the Service web to green goes on (Waiting) (dry run)\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSwitched()
			tt.edit(s)
			server := httptest.NewServer(s)
			defer server.Close()
			t.Setenv("KUBECONFIG", t.TempDir()+"/none")
			var out, said bytes.Buffer
			code := Run(context.Background(), []string{"switch", "web", "green", "--dry-run", "--namespace", "shop", "--server", server.URL, "--cache-dir", t.TempDir()},
				genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &said})
			if diff := cmp.Diff(tt.want, out.String()); diff != "" || code != tt.code {
				t.Errorf("exit code %d: %s%s", code, said.String(), diff)
			}
		})
	}
}
