//go:build e2e

package policy

import (
	"context"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// constants are what is rolled out with no HPA, of each strategy: to the end, to pods that
// fail and back, and back halfway.
func constants() (out []scenario) {
	moves := []move{
		{at: time.Second, what: images, name: "web"},
		{at: 20 * time.Second, what: breaks, name: "web"},
		{at: 28 * time.Second, what: undoes, name: "web"},
		{at: 45 * time.Second, what: images, name: "web"},
		{at: 48 * time.Second, what: backs, name: "web"},
	}
	for _, kind := range []string{aDeployment, aRecreate, aStatefulSet} {
		for _, unavailable := range []int32{0, 1} {
			out = append(out, scenario{kind: kind, unavailable: unavailable, first: 4, start: time.Second, moves: moves})
		}
	}
	return out
}

// constant runs a scenario with no HPA and replicas constant at the floor, and holds it
// against the judge's allowance: never do more pods miss, and at some moment as many do.
// So that with an HPA no fewer pods serve than without one.
func constant(t *testing.T, watcher client.WithWatch, s scenario) {
	r := &run{scenario: s, t: t, ns: namespace(t), good: map[string]string{"web": "v0"}, before: map[string]string{}}
	ctx, cancel := context.WithTimeout(t.Context(), settles)
	defer cancel()
	seen, wait, err := observe(ctx, watcher, r.ns)
	must(t, err)
	defer func() { cancel(); wait() }()
	for _, o := range []client.Object{r.service(), r.newWorkload("web", r.first)} {
		must(t, kube.Create(ctx, o))
	}
	whole := func(ctx context.Context) (bool, string) {
		o, _, template := r.workload("web")
		if err := kube.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return false, err.Error()
		}
		return factOf(o, false).(workloadFact).whole && template.Spec.Containers[0].Image == "web:"+r.good["web"], "pods are replaced"
	}
	must(t, r.until(ctx, "the beginning", whole))
	must(t, r.play(ctx))
	must(t, r.until(ctx, "the end", func(ctx context.Context) (bool, string) {
		if err := r.unstick(ctx); err != nil {
			return false, err.Error()
		}
		return whole(ctx)
	}))
	cancel()
	wait()
	j := &judge{s: s, holds: true}
	j.look(written{fact: hpaFact{target: "web", min: r.first, seen: true}}) // the floor, though nobody has to keep it
	if err := r.judge(j, seen); err != nil {
		t.Error(err)
	}
	if want := min(s.cost(false), r.first); j.taken != want {
		t.Errorf("the strategy took %d pods at most, and the judge allows %d", j.taken, want)
	}
}
