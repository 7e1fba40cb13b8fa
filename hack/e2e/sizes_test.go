//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/loadline/loadline/hack/lab"
)

// sizes follows spec.replicas of all that Remind Me's HPAs scale, by a watch: no
// change falls between two looks.
type sizes struct {
	targets map[string]string // HPA by KIND/NAME of what it scales

	mu      sync.Mutex
	now     map[string]int32 // by HPA
	changes []sizeChange
	broken  error
}

// sizeChange is one change of spec.replicas.
type sizeChange struct {
	At       time.Time
	HPA      string
	From, To int32
}

func (c sizeChange) String() string {
	return fmt.Sprintf("%s %s %d → %d", c.At.Format("15:04:05"), c.HPA, c.From, c.To)
}

// follow follows the sizes for the test's time, from before it returns.
func follow(t *testing.T) *sizes {
	t.Helper()
	hpas, err := system.Client.AutoscalingV2().HorizontalPodAutoscalers(lab.RemindMeNamespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := &sizes{targets: map[string]string{}, now: map[string]int32{}}
	for _, h := range hpas.Items {
		s.targets[h.Spec.ScaleTargetRef.Kind+"/"+h.Spec.ScaleTargetRef.Name] = h.Name
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	apps := system.Client.AppsV1()
	for _, open := range []func(context.Context, metav1.ListOptions) (watch.Interface, error){
		apps.Deployments(lab.RemindMeNamespace).Watch, apps.StatefulSets(lab.RemindMeNamespace).Watch,
	} {
		// Without a resource version a watch begins with what there is.
		w, err := open(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer w.Stop()
			for event := range w.ResultChan() {
				s.note(event)
			}
			if ctx.Err() == nil {
				s.fail(fmt.Errorf("a watch of the sizes ended: changes may have been missed"))
			}
		})
	}
	system.Until(t, "the size of each target is known", 10*time.Second, func(context.Context) (bool, string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.now) == len(s.targets), fmt.Sprint(s.now)
	})
	return s
}

func (s *sizes) note(event watch.Event) {
	var target string
	var replicas *int32
	switch o := event.Object.(type) {
	case *appsv1.Deployment:
		target, replicas = "Deployment/"+o.Name, o.Spec.Replicas
	case *appsv1.StatefulSet:
		target, replicas = "StatefulSet/"+o.Name, o.Spec.Replicas
	default:
		s.fail(fmt.Errorf("a watch of the sizes told %s: %+v", event.Type, event.Object))
		return
	}
	hpa, ok := s.targets[target]
	if !ok || replicas == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, known := s.now[hpa]; known && before != *replicas {
		s.changes = append(s.changes, sizeChange{time.Now(), hpa, before, *replicas})
	}
	s.now[hpa] = *replicas
}

func (s *sizes) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// since returns the changes from a time on, for one HPA or, with "", for all.
func (s *sizes) since(t *testing.T, from time.Time, hpa string) []sizeChange {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		t.Fatal(s.broken)
	}
	var changes []sizeChange
	for _, c := range s.changes {
		if !c.At.Before(from) && (hpa == "" || c.HPA == hpa) {
			changes = append(changes, c)
		}
	}
	return changes
}
