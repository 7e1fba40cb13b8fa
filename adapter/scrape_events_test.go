package adapter

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/target"
)

func TestNotice(t *testing.T) {
	for name, tc := range map[string]struct {
		refusal      engine.Refusal
		others       int
		reason, note string
	}{
		"a pod that is new": {
			engine.Refusal{Why: "there is no room"}, 0, "ScrapeRefused",
			"none of its series is held: there is no room. Raise --max-series-held of loadline-adapter, and its memory, or have HPAs reference fewer metrics",
		},
		"one of many": {
			engine.Refusal{Why: "there is no room"}, 7, "ScrapeRefused",
			"none of its series is held: there is no room; so it is for 7 other targets. Raise --max-series-held of loadline-adapter, and its memory, or have HPAs reference fewer metrics",
		},
		"one that grows": {
			engine.Refusal{Why: "there is no room", Partly: true}, 0, "SeriesRefused",
			"of its series only those that it had before are held: there is no room. Raise --max-series-held of loadline-adapter, and its memory, or have HPAs reference fewer metrics",
		},
		"one beyond its own bound": {
			engine.Refusal{Why: "it has 20", Partly: true, Own: true}, 0, "SeriesRefused",
			"of its series only those that it had before are held: it has 20. Have it export fewer, or the same at each scrape, or raise --max-series-held-per-pod of loadline-adapter",
		},
	} {
		t.Run(name, func(t *testing.T) {
			reason, note := notice(tc.refusal, tc.others)
			if diff := cmp.Diff([]string{tc.reason, tc.note}, []string{reason, note}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Ten thousand pods that are refused are five Events a minute, and one pod is one in ten.
func TestNoticesAreFew(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, pods := range []int{1, 10_000} {
		refused := make([]engine.Refusal, pods)
		for i := range refused {
			refused[i].Target = fmt.Sprintf("shop/web-%05d", i)
		}
		n, all, minute := notices{}, 0, []int(nil)
		for tick := range 6 * 60 { // an hour
			said := len(n.next(now.Add(time.Duration(tick)*lookForRefusals), refused))
			all += said
			if minute = append(minute, said); len(minute) > 6 {
				minute = minute[1:]
			}
			sum := 0
			for _, one := range minute {
				sum += one
			}
			if sum > refusalsAMinute {
				t.Fatalf("%d in a minute", sum)
			}
		}
		if want := map[int]int{1: 6, 10_000: 300}[pods]; all != want {
			t.Errorf("%d pods: %d Events in an hour, want %d", pods, all, want)
		}
		if len(n.last) > 60 {
			t.Errorf("%d are remembered", len(n.last))
		}
	}
}

func TestEventsOnPodsThatAreRefused(t *testing.T) {
	of := func(pod, uid string) target.Target {
		return target.Target{Namespace: "shop", Pod: pod, UID: uid, Address: netip.MustParseAddrPort("10.0.0.1:80"), Scheme: "http", Path: "/metrics"}
	}
	client := fake.NewClientset()
	r := &refusals{client: client, refused: func() []engine.Refusal {
		return []engine.Refusal{{Target: of("gone", "").ID(), Why: "full"}, {Target: of("web-1", "").ID(), Why: "full"}}
	}}
	r.know([]target.Target{of("web-1", "u1"), of("web-2", "u2")})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.run(ctx) })
	defer running.Wait()
	defer cancel()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		list, err := client.EventsV1().Events("shop").List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Items) == 0 && time.Now().Before(deadline) {
			continue
		}
		if len(list.Items) != 1 {
			t.Fatalf("%d Events", len(list.Items))
		}
		e := list.Items[0]
		got := []string{e.Type, e.Reason, e.Action, e.ReportingController, e.Regarding.Kind, e.Regarding.Namespace, e.Regarding.Name, string(e.Regarding.UID)}
		want := []string{"Warning", "ScrapeRefused", "Scrape", "loadline-adapter", "Pod", "shop", "web-1", "u1"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		return
	}
}
