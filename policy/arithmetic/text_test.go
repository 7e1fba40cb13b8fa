package arithmetic_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/arithmetic"
)

var update = flag.Bool("update", false, "write testdata instead of comparing with it")

// TestText: what a person reads of decisions, in testdata.
func TestText(t *testing.T) {
	web := func(n int, and ...func(*corev1.Pod)) corev1.Pod { return pod(fmt.Sprint("web-", n), and...) }
	for name, of := range map[string]func() *arithmetic.State{
		"pods": func() *arithmetic.State {
			s := state(4, rps("10"), samples("web-0", 30_500, "web-1", 30_500, "old-7", 0),
				web(0), web(1), web(2), web(3, phase(corev1.PodPending)), web(4, terminating))
			s.Memory = nothing
			return s
		},
		"utilization": func() *arithmetic.State {
			s := state(3, usage("memory", utilization(80)), samples("web-0", 10_000, "web-1", 20_000, "web-2", 10_000), web(0), web(1), web(2))
			s.HPA.Spec.Metrics = append(s.HPA.Spec.Metrics, usage("memory", average("128Mi")), usage("cpu", average("500m")))
			s.Readings = append(s.Readings,
				samples("web-0", 1<<27*1000, "web-1", 1<<27*1000, "web-2", 1<<27*1000+999),
				samples("web-0", 750, "web-1", 333, "web-2", 334))
			s.HPA.Spec.Behavior = behavior(rules(0), rules(300, percent(50, 60)))
			s.HPA.Spec.Behavior.ScaleUp.Tolerance = quantity("0.025")
			s.HPA.Status.LastScaleTime = ptr.To(metav1.NewTime(noon.Add(-30 * time.Second)))
			return s
		},
		"many missing": func() *arithmetic.State {
			all, read := []corev1.Pod{}, samples("web-0", 12_000)
			for n := range 9 {
				all = append(all, web(n))
			}
			return state(9, rps("10"), read, all...)
		},
		"one fails": func() *arithmetic.State {
			s := state(4, external(average("1")), arithmetic.Reading{Err: errors.New("the server is away")})
			s.HPA.Spec.Metrics = append(s.HPA.Spec.Metrics, object(value("10")), object(average("10")))
			s.Readings = append(s.Readings, arithmetic.Reading{Values: []int64{10_500}}, arithmetic.Reading{Values: []int64{75_000}})
			return s
		},
		"less on the word of some": func() *arithmetic.State {
			s := state(4, external(average("1")), arithmetic.Reading{Err: errors.New("the server is away")})
			s.HPA.Spec.Metrics = append(s.HPA.Spec.Metrics, object(average("10")))
			s.Readings = append(s.Readings, arithmetic.Reading{Values: []int64{7_500}})
			return s
		},
		"at 0": func() *arithmetic.State { return asks(0, 5, nil) },
		"from 0": func() *arithmetic.State {
			s := asks(0, 3, nothing)
			scaledToZero(s)
			*s.HPA.Spec.MinReplicas = 6
			return s
		},
		"above the maximum": func() *arithmetic.State { return asks(12, 5, nil) },
		"held by what was":  func() *arithmetic.State { return asks(8, 1, nil) },
		"limited": func() *arithmetic.State {
			s := asks(5, 20, nil)
			s.HPA.Spec.Behavior = behavior(choose(autoscalingv2.MinChangePolicySelect, rules(0, pods(2, 15), percent(100, 60))), rules(300))
			s.HPA.Status.LastScaleTime = ptr.To(metav1.NewTime(noon.Add(-30 * time.Second)))
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := arithmetic.Decide(of())
			got := strings.Join(d.Text(), "\n") + "\n"
			path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
