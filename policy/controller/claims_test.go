package controller

import (
	"sync"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

func TestClaims(t *testing.T) {
	a, b := types.NamespacedName{Namespace: "shop", Name: "a"}, types.NamespacedName{Namespace: "shop", Name: "b"}
	one, two := newTarget("shop", "apps/v1", "Deployment", "web"), newTarget("shop", "apps/v1", "Deployment", "api")
	var c claims
	first, again := c.take(one, a), c.take(one, a)
	if !first || !again || c.take(one, b) || !c.take(two, b) {
		t.Error("a claim is its holder's, again and again, and nobody else's")
	}
	if holder, held := c.holder(one); !held || holder != a {
		t.Errorf("%v has it", holder)
	}
	c.drop(a)
	if _, held := c.holder(one); held || !c.take(one, b) {
		t.Error("a dropped claim is not free")
	}
	if holder, _ := c.holder(two); holder != b {
		t.Error("another's claim went along")
	}
}

// Two policies for one target, worked on at once, make one HPA, however late a cache
// shows it: the claim is kept until the policy's next turn.
func TestTwoPoliciesAtOnce(t *testing.T) {
	for range 20 {
		other := func(p *v1alpha1.AutoscalingPolicy) { p.Name, p.UID = "other", "u-other" }
		w := newWorld(t, newPolicy(), newPolicy(other))
		w.judge = func(s decide.Snapshot) decide.Plan {
			p := decide.Plan{Status: s.Policy.Status}
			for _, r := range s.Rivals {
				if r.HPA != "" || r.Claimed {
					return p // the target is taken
				}
			}
			want, _ := hpa.Build(s.Policy, nil, hpa.Capabilities{})
			if s.Live == nil {
				p.Action = &decide.Action{Kind: decide.Apply, HPA: want, Retargets: true}
			}
			return p
		}
		w.fault = func(int, string) fault { time.Sleep(time.Millisecond); return fault{} } // an API server that takes its time
		var both sync.WaitGroup
		for _, name := range []string{"web", "other"} {
			both.Go(func() {
				for range 3 {
					// Who comes second is told so by an error, or by its rivals.
					_, _ = w.turn(t.Context(), types.NamespacedName{Namespace: "shop", Name: name})
				}
			})
		}
		both.Wait()
		var all autoscalingv2.HorizontalPodAutoscalerList
		if err := w.client.List(t.Context(), &all, client.InNamespace("shop")); err != nil {
			t.Fatal(err)
		}
		if len(all.Items) != 1 {
			t.Fatalf("%d HPAs on one target", len(all.Items))
		}
	}
}
