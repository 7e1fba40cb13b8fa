package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/decide"
)

const (
	// together is how many HPAs are written at once. The client's own limit is per second.
	together = 16
	// longestPause is how long until HPAs are read again at most: an HPA that waits for
	// its metrics says so with a sync of its controller.
	longestPause = 15 * time.Second
	// shownAtMost is how many HPAs an error names.
	shownAtMost = 10
)

// departures lets all HPAs go, side by side, each in the steps of decide.LetGo. How far
// each is stands on the HPA, so another call goes on where this one was broken off.
type departures struct {
	// left lists those that are still ours.
	left func(context.Context) ([]autoscalingv2.HorizontalPodAutoscaler, error)
	// apply applies what an HPA is to be on its way, if it still is as it was read.
	apply func(ctx context.Context, next *autoscalingv2.HorizontalPodAutoscaler, resourceVersion string) error
	// free makes the last write to an HPA.
	free func(context.Context, *autoscalingv2.HorizontalPodAutoscaler) error
	// atOnce: no steps.
	atOnce bool
	// limit is for how long.
	limit time.Duration
	now   func() time.Time
	out   io.Writer
}

// round is what became of the HPAs that were left at one reading.
type round struct {
	released int
	// lines say of each that is not, how far it is.
	lines []string
	pods  int // that minimums are above their goals, in all
	waits int // those that wait for their metrics
	falls int // those that may be about to scale to 0, and wait until that is over
	pause time.Duration
	// last is the last error of those that may pass.
	last error
	// refused are the answers to writes that another try would get, too, by HPA.
	refused map[string]error
}

// run returns when no HPA is left, and otherwise an error that says what is.
func (d *departures) run(ctx context.Context) error {
	until := d.now().Add(d.limit)
	total, told := -1, ""
	refused := map[string]error{}
	for {
		left, err := d.left(ctx)
		if err != nil {
			return cause(ctx, err)
		}
		total = max(total, len(left))
		left = slices.DeleteFunc(left, func(h autoscalingv2.HorizontalPodAutoscaler) bool { return refused[nameOf(&h)] != nil })
		if len(left) == 0 {
			return refusals(refused)
		}
		r := d.round(ctx, left)
		for name, err := range r.refused {
			refused[name] = err
		}
		if now := r.String(); now != "" && now != told {
			fmt.Fprintf(d.out, "%d of %d HPAs are let go; %s\n", total-len(left)+r.released, total, now)
			told = now
		}
		rest := until.Sub(d.now())
		switch {
		case ctx.Err() != nil:
			return cause(ctx, ctx.Err())
		case len(r.lines) > 0 && rest <= 0:
			return errors.Join(overdue(d.limit, r), refusals(refused))
		}
		if err := sleep(ctx, min(r.pause, max(rest, time.Second))); err != nil {
			return cause(ctx, err)
		}
	}
}

// round does the next thing about each HPA.
func (d *departures) round(ctx context.Context, left []autoscalingv2.HorizontalPodAutoscaler) round {
	r := round{pause: longestPause, refused: map[string]error{}}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(together)
	for i := range left {
		h := &left[i]
		m := decide.LetGo(h, d.letting())
		if d.atOnce {
			m.Done = true
		}
		g.Go(func() error {
			err := d.write(ctx, h, m)
			mu.Lock()
			defer mu.Unlock()
			r.add(h, m, err)
			if m.Done && err == nil {
				fmt.Fprintf(d.out, "released HorizontalPodAutoscaler %s: %s\n", nameOf(h), d.words(h, m))
			}
			return nil
		})
	}
	_ = g.Wait()
	slices.Sort(r.lines)
	return r
}

func (d *departures) letting() decide.Letting {
	return decide.Letting{Now: d.now(), Settings: decide.Defaults()}
}

func (d *departures) words(h *autoscalingv2.HorizontalPodAutoscaler, m decide.Move) string {
	if d.atOnce {
		_, m.Why = decide.Free(h)
	}
	return m.Why
}

func (d *departures) write(ctx context.Context, h *autoscalingv2.HorizontalPodAutoscaler, m decide.Move) error {
	switch {
	case m.Done:
		return d.free(ctx, h)
	case m.HPA != nil:
		return d.apply(ctx, m.HPA, h.ResourceVersion)
	}
	return nil
}

// add notes what became of one.
func (r *round) add(h *autoscalingv2.HorizontalPodAutoscaler, m decide.Move, err error) {
	is := m.Min
	if err != nil {
		is = ptr.Deref(h.Spec.MinReplicas, 1)
	}
	switch {
	case err == nil && m.Done, apierrors.IsNotFound(err):
		r.released++
		r.pause = 0
		return
	case err != nil && lasting(err):
		r.refused[nameOf(h)] = err
		return
	case apierrors.IsConflict(err): // its controller has written its status
		r.pause = min(r.pause, time.Second)
	case err != nil:
		r.last = err
		r.pause = min(r.pause, 5*time.Second)
	case m.Next > 0:
		r.pause = min(r.pause, m.Next)
	}
	line := fmt.Sprintf("%s has min %d and goes to %d", nameOf(h), is, m.Goal)
	if m.Stuck {
		r.waits++
		line += ", when it can read its metrics"
	}
	if is == m.Goal { // it is not the minimum
		line = nameOf(h) + ": " + m.Why
	}
	if m.Falls {
		r.falls++
	}
	r.pods += int(is - m.Goal)
	r.lines = append(r.lines, line)
}

// String says how far it is; empty where all is done.
func (r *round) String() string {
	if r.pods == 0 && r.falls == 0 && r.last == nil { // what is left takes another write or two
		return ""
	}
	text := fmt.Sprintf("of %d the minimum comes down step by step, by %d in all", len(r.lines), r.pods)
	if r.waits > 0 {
		text += fmt.Sprintf("; %d of them wait until they can read their metrics", r.waits)
	}
	if r.falls > 0 {
		text += fmt.Sprintf("; %d of them may be about to scale to 0, and wait for ten minutes at most", r.falls)
	}
	if r.last != nil {
		text += fmt.Sprintf("; the API server last said: %v", r.last)
	}
	return text
}

// lasting says whether an answer to a write is one that another try gets, too.
func lasting(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsMethodNotSupported(err)
}

func overdue(limit time.Duration, r round) error {
	return fmt.Errorf("after %s there still is, and nothing that comes after was done:\n  %s\nCall this again to go on, with a longer --release-timeout, or with --now to take what is left away at once",
		limit, strings.Join(shown(r.lines), "\n  "))
}

func refusals(refused map[string]error) error {
	if len(refused) == 0 {
		return nil
	}
	var lines []string
	for name, err := range refused {
		lines = append(lines, name+": "+err.Error())
	}
	slices.Sort(lines)
	return fmt.Errorf("the API server refuses to let these go:\n  %s", strings.Join(shown(lines), "\n  "))
}

func shown(lines []string) []string {
	if n := len(lines); n > shownAtMost {
		return append(slices.Clone(lines[:shownAtMost]), fmt.Sprintf("and %d more", n-shownAtMost))
	}
	return lines
}

// cause is err, or that somebody has broken it off.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("broken off: how far each HPA is stands on it, so call this again to go on")
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func nameOf(h *autoscalingv2.HorizontalPodAutoscaler) string { return h.Namespace + "/" + h.Name }
