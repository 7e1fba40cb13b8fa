package suite

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Sizes are the numbers of pods that the HPAs of a namespace want, by name.
type Sizes map[string]int32

// Wanted are the sizes that they want now.
func (s *Suite) Wanted(ctx context.Context, namespace string) (Sizes, []autoscalingv2.HorizontalPodAutoscaler, error) {
	list, err := s.Client.AutoscalingV2().HorizontalPodAutoscalers(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, nil, err
	}
	sizes := Sizes{}
	for _, h := range list.Items {
		sizes[h.Name] = h.Status.DesiredReplicas
	}
	return sizes, list.Items, nil
}

// Steady waits until each HPA of a namespace has wanted the same size for a span of time,
// has it, and wants more than its minimum: only then could a size fall.
func (s *Suite) Steady(t *testing.T, namespace string, span, limit time.Duration) Sizes {
	t.Helper()
	var last Sizes
	since := time.Now()
	s.Until(t, fmt.Sprintf("each HPA wants the same for %s, and more than its minimum", span), limit, func(ctx context.Context) (bool, string) {
		now, list, err := s.Wanted(ctx, namespace)
		if err != nil {
			return false, err.Error()
		}
		low := atRest(list)
		if !maps.Equal(now, last) {
			t.Logf("HPAs want %v", now)
		}
		if !maps.Equal(now, last) || len(low) > 0 || len(now) == 0 {
			last, since = now, time.Now()
		}
		return time.Since(since) >= span, fmt.Sprintf("%v for %s, not settled above the minimum: %v", now, time.Since(since).Round(time.Second), low)
	})
	return last
}

// atRest are the HPAs that want no more than their minimum, or have not what they want.
func atRest(list []autoscalingv2.HorizontalPodAutoscaler) []string {
	var names []string
	for _, h := range list {
		if h.Status.DesiredReplicas <= *h.Spec.MinReplicas || h.Status.CurrentReplicas != h.Status.DesiredReplicas {
			names = append(names, h.Name)
		}
	}
	return names
}

// KeepSizes watches the HPAs of a namespace, and fails the test if one of them has wanted
// another size than this for a moment, at any time until the returned function is called.
// That returns how many states of HPAs were seen.
func (s *Suite) KeepSizes(t *testing.T, namespace string, sizes Sizes) (end func() int) {
	t.Helper()
	w, err := s.Client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		seen  int
		wrong []string
	}
	done := make(chan result, 1)
	stop, stopped := context.WithCancel(context.Background())
	began := time.Now()
	go func() {
		seen, wrong := changes(stop, w.ResultChan(), sizes, func() time.Duration { return time.Since(began) })
		done <- result{seen, wrong}
	}()
	t.Cleanup(func() { stopped(); w.Stop() })
	return func() int {
		t.Helper()
		stopped()
		r := <-done
		if len(r.wrong) > 0 {
			t.Errorf("sizes are not what they were, %v:\n%s", sizes, strings.Join(r.wrong, "\n"))
		}
		if r.seen < len(sizes) {
			t.Errorf("%d states of %d HPAs were seen", r.seen, len(sizes))
		}
		return r.seen
	}
}

// changes follows HPAs until ctx ends and tells how many of their states it has seen, and
// what was against the sizes that they are to want. after is the time since the beginning.
func changes(ctx context.Context, events <-chan watch.Event, want Sizes, after func() time.Duration) (seen int, wrong []string) {
	last := maps.Clone(want)
	tell := func(format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("after %s ", after().Round(10*time.Millisecond))+fmt.Sprintf(format, args...))
	}
	for {
		var e watch.Event
		select {
		case <-ctx.Done():
			return seen, wrong
		case got, open := <-events:
			if !open {
				tell("the watch ended, and what came then was not seen")
				return seen, wrong
			}
			e = got
		}
		h, is := e.Object.(*autoscalingv2.HorizontalPodAutoscaler)
		if !is {
			tell("the watch says %s: %v", e.Type, apierrors.FromObject(e.Object))
			continue
		}
		seen++
		was, known := last[h.Name]
		switch now := h.Status.DesiredReplicas; {
		case e.Type == watch.Deleted:
			tell("%s is deleted", h.Name)
		case !known:
			tell("%s is new", h.Name)
		case now != was:
			tell("%s wants %d pods, and no longer %d: %s", h.Name, now, was, why(h))
		}
		last[h.Name] = h.Status.DesiredReplicas
	}
}

// why is what an HPA says of its size.
func why(h *autoscalingv2.HorizontalPodAutoscaler) string {
	var parts []string
	for _, c := range h.Status.Conditions {
		parts = append(parts, fmt.Sprintf("%s=%s %s", c.Type, c.Status, c.Reason))
	}
	slices.Sort(parts)
	for _, m := range h.Status.CurrentMetrics {
		switch {
		case m.Pods != nil && m.Pods.Current.AverageValue != nil:
			parts = append(parts, fmt.Sprintf("%s %s a pod", m.Pods.Metric.Name, m.Pods.Current.AverageValue))
		case m.External != nil && m.External.Current.AverageValue != nil:
			parts = append(parts, fmt.Sprintf("%s %s a pod", m.External.Metric.Name, m.External.Current.AverageValue))
		}
	}
	return strings.Join(parts, ", ")
}
