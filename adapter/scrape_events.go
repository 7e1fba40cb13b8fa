package adapter

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/target"
)

// Reasons of Events on pods of which series are refused.
const (
	// EventScrapeRefused (Warning): none of the pod's series is held.
	EventScrapeRefused = "ScrapeRefused"
	// EventSeriesRefused (Warning): it keeps those that it had, and gets no more.
	EventSeriesRefused = "SeriesRefused"
)

// How much is said. A pod is refused anew with each scrape, and where one is there may be
// thousands; whoever looks at one of them learns of the others from its Event.
const (
	lookForRefusals = 10 * time.Second
	sayRefusedAgain = 10 * time.Minute // of one target
	refusalsAMinute = 5
)

// refusals tells of what is refused by Events on the pods.
type refusals struct {
	client  kubernetes.Interface
	refused func() []engine.Refusal
	uids    atomic.Pointer[map[string]types.UID] // of the pods of targets, by target
}

// know notes the present targets.
func (r *refusals) know(targets []target.Target) {
	uids := make(map[string]types.UID, len(targets))
	for _, t := range targets {
		uids[t.ID()] = types.UID(t.UID)
	}
	r.uids.Store(&uids)
}

// run tells until ctx ends.
func (r *refusals) run(ctx context.Context) {
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: r.client.EventsV1()})
	defer broadcaster.Shutdown()
	if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		klog.FromContext(ctx).Error(err, "Cannot write Events")
		return
	}
	recorder := broadcaster.NewRecorder(scheme.Scheme, "loadline-adapter").WithLogger(klog.FromContext(ctx))
	ticker := time.NewTicker(lookForRefusals)
	defer ticker.Stop()
	said := notices{}
	for {
		r.tell(&said, recorder, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// tell writes what is to be said now.
func (r *refusals) tell(said *notices, recorder events.EventRecorder, now time.Time) {
	refused, known := r.refused(), r.uids.Load()
	if known == nil {
		return
	}
	refused = slices.DeleteFunc(refused, func(one engine.Refusal) bool {
		_, is := (*known)[one.Target]
		return !is // any more
	})
	for _, one := range said.next(now, refused) {
		reason, note := notice(one, len(refused)-1)
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: (*known)[one.Target]}}
		pod.Namespace, pod.Name = target.PodOf(one.Target)
		recorder.Eventf(pod, nil, corev1.EventTypeWarning, reason, "Scrape", "%s", note)
	}
}

// notice is what is said of a refusal besides which there are others.
func notice(r engine.Refusal, others int) (reason, note string) {
	reason, note = EventScrapeRefused, "none of its series is held: "+r.Why
	if r.Partly {
		reason, note = EventSeriesRefused, "of its series only those that it had before are held: "+r.Why
	}
	if others > 0 {
		note += fmt.Sprintf("; so it is for %d other targets", others)
	}
	if r.Own {
		return reason, note + ". Have it export fewer, or the same at each scrape, or raise --max-series-held-per-pod of loadline-adapter"
	}
	return reason, note + ". Raise --max-series-held of loadline-adapter, and its memory, or have HPAs reference fewer metrics"
}

// notices remembers what was said when. The zero value has said nothing.
type notices struct {
	last   map[string]time.Time // by target; as many as refusalsAMinute allows
	recent []time.Time          // of the last minute
}

// next are those of refused that are to be said of now, and notes that they are: no more than
// refusalsAMinute in any minute.
func (n *notices) next(now time.Time, refused []engine.Refusal) []engine.Refusal {
	n.recent = slices.DeleteFunc(n.recent, func(at time.Time) bool { return now.Sub(at) >= time.Minute })
	maps.DeleteFunc(n.last, func(_ string, at time.Time) bool { return now.Sub(at) >= sayRefusedAgain })
	var out []engine.Refusal
	for _, r := range refused {
		if len(n.recent) >= refusalsAMinute {
			break
		}
		if _, said := n.last[r.Target]; said {
			continue
		}
		if n.last == nil {
			n.last = map[string]time.Time{}
		}
		n.last[r.Target] = now
		n.recent = append(n.recent, now)
		out = append(out, r)
	}
	return out
}
