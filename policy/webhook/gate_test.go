package webhook

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// world is what a test says of a cluster.
type world struct {
	policies []v1alpha1.AutoscalingPolicy
	ready    map[string]int // by selector
	err      error
	counted  []string // selectors
}

func (w *world) BlueGreen(context.Context, string, string) ([]v1alpha1.AutoscalingPolicy, error) {
	return w.policies, nil
}

func (w *world) Ready(_ context.Context, _ string, selector map[string]string) (int, error) {
	s := labels.FormatLabels(selector)
	w.counted = append(w.counted, s)
	return w.ready[s], w.err
}

type serviceEdit func(*corev1.Service)

func service(selector map[string]string, edit ...serviceEdit) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}, Spec: corev1.ServiceSpec{Selector: selector}}
	for _, e := range edit {
		e(s)
	}
	return s
}

func color(c string) map[string]string { return map[string]string{"color": c} }

func allowing(reason string) serviceEdit {
	return func(s *corev1.Service) { s.Annotations = map[string]string{AllowGreenCold: reason} }
}

func named(edit ...func(*v1alpha1.AutoscalingPolicy)) []v1alpha1.AutoscalingPolicy {
	return []v1alpha1.AutoscalingPolicy{*policy(append(edit, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.BlueGreen = &v1alpha1.BlueGreen{Service: "web"}
	})...)}
}

func inMode(m v1alpha1.Mode) func(*v1alpha1.AutoscalingPolicy) {
	return func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Mode = m }
}

func TestGate(t *testing.T) {
	const (
		fewer   = "40 green-cold: 5 ready pods serve Service web now, and 2 would with the selector color=green: fewer get the same load."
		refused = fewer + " Scale them up and wait until they are ready, or annotate the Service loadline.dev/allow-40-green-cold with your reason (it is the blue/green of AutoscalingPolicy web)"
	)
	blue, green := service(color("blue")), service(color("green"))
	both := []string{"color=blue", "color=green"}
	cold := map[string]int{"color=blue": 5, "color=green": 2}
	warned := Verdict{Warnings: []string{fewer + " Scale them up first."}}
	tests := map[string]struct {
		policies []v1alpha1.AutoscalingPolicy
		ready    map[string]int
		was, is  *corev1.Service
		all      bool
		want     Verdict
		counted  []string
	}{
		"named, fewer":               {named(), cold, blue, green, false, Verdict{Refused: refused}, both},
		"named, opted in":            {named(), cold, blue, green, true, Verdict{Refused: refused}, both},
		"nobody's":                   {nil, cold, blue, green, false, Verdict{}, nil},
		"nobody's, opted in":         {nil, cold, blue, green, true, warned, both},
		"as many":                    {named(), map[string]int{"color=blue": 5, "color=green": 5}, blue, green, false, Verdict{}, both},
		"more":                       {named(), map[string]int{"color=blue": 5, "color=green": 9}, blue, green, false, Verdict{}, both},
		"back from what is not well": {named(), map[string]int{"color=blue": 1, "color=green": 2}, blue, green, false, Verdict{}, both},
		// A rollback that must pass, whatever there is to go back to.
		"back from what is down":  {named(), map[string]int{"color=green": 0}, blue, green, false, Verdict{}, both[:1]},
		"a policy that only says": {named(inMode(v1alpha1.DryRun)), cold, blue, green, false, warned, both},
		"a paused policy":         {named(inMode(v1alpha1.Paused)), cold, blue, green, false, warned, both},
		"two policies":            {append(named(inMode(v1alpha1.Paused)), named()...), cold, blue, green, false, Verdict{Refused: refused}, both},
		"a policy that goes": {named(func(p *v1alpha1.AutoscalingPolicy) { p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }),
			cold, blue, green, false, Verdict{}, nil},
		"allowed": {named(), cold, blue, service(color("green"), allowing("blue burns")), false, Verdict{Warnings: []string{
			"40 green-cold: not looked at, for Service web is annotated loadline.dev/allow-40-green-cold: blue burns"}}, nil},
		"allowed, nobody's":       {nil, cold, blue, service(color("green"), allowing("blue burns")), false, Verdict{}, nil},
		"allowed without reason":  {named(), cold, blue, service(color("green"), allowing(" ")), false, Verdict{Refused: refused}, both},
		"allowed before":          {named(), cold, service(color("blue"), allowing("gone")), green, false, Verdict{Refused: refused}, both},
		"labels only":             {named(), cold, blue, service(color("blue"), func(s *corev1.Service) { s.Labels = color("red") }), true, Verdict{}, nil},
		"no selector any more":    {named(), cold, blue, service(nil), true, Verdict{}, nil},
		"no selector before":      {named(), cold, service(nil), green, true, Verdict{}, nil},
		"a name for another host": {named(), cold, blue, service(color("green"), func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeExternalName }), true, Verdict{}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := &world{policies: tt.policies, ready: tt.ready}
			g := NewGate(w)
			judge := g.Judge
			if tt.all {
				judge = g.JudgeAll
			}
			got, err := judge(t.Context(), request(t, admissionv1.Update, tt.was, tt.is))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.counted, w.counted); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
		})
	}
}

// What cannot be counted is said, and is no refusal.
func TestGateWithoutFacts(t *testing.T) {
	r := request(t, admissionv1.Update, service(color("blue")), service(color("green")))
	v, err := NewGate(&world{policies: named(), err: errors.New("pods is forbidden")}).Judge(t.Context(), r)
	const want = "40 green-cold: whether the pods can take over the load of Service web: pods is forbidden"
	if err == nil || err.Error() != want || v.Refused != "" {
		t.Errorf("got %v and %v, want %s", v, err, want)
	}
	r.Object.Raw = []byte("{")
	if _, err := NewGate(nil).Judge(t.Context(), r); err == nil {
		t.Error("read what is no Service")
	}
}

// hanging is a cluster that does not answer.
type hanging struct {
	world
	asked chan struct{}
}

func (h *hanging) Ready(ctx context.Context, _ string, _ map[string]string) (int, error) {
	h.asked <- struct{}{}
	<-ctx.Done()
	return 0, ctx.Err()
}

// As many wait for the cluster as there are slots; the others wait for a slot, and all
// only as long as they may.
func TestGateIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{world{policies: named()}, make(chan struct{}, 3*mostCounts)}
		g := NewGate(h)
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		r := request(t, admissionv1.Update, service(color("blue")), service(color("green")))
		done := make(chan error)
		for range 3 * mostCounts {
			go func() {
				_, err := g.Judge(ctx, r)
				done <- err
			}()
		}
		synctest.Wait()
		if n := len(h.asked); n != mostCounts {
			t.Errorf("%d are counted at once, want %d", n, mostCounts)
		}
		for range 3 * mostCounts {
			if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
	})
}
