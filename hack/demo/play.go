package demo

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	interval = 500 * time.Millisecond // between observations
	// patience is how long there may be no observation before the demo gives up.
	patience = 20 * time.Second
	// statusEvery is how often plain output says how things are.
	statusEvery = 5 * time.Second
)

// play observes until the script is done, does what it asks for, and shows what
// happens. It returns the history.
func (d *demo) play(ctx context.Context, traffic *traffic) ([]Observation, error) {
	var history []Observation
	var events []Event
	began := time.Now()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	seen, phase, schedule := began, Phase(-1), Span{}
	for {
		next := d.opts.Script.Next(history)
		if next == Done {
			return history, nil
		}
		if next != phase {
			phase = next
			if err := traffic.set(d.opts.Script.Rates(phase)); err != nil {
				return history, err
			}
			begins, err := d.act(ctx, phase)
			if err != nil {
				return history, fmt.Errorf("%s: %w", phase, err)
			}
			if !begins.IsZero() {
				schedule.Begin = time.Since(began) + time.Until(begins)
				schedule.End = schedule.Begin + rushLasts
			}
		}
		o, err := d.observe(ctx, traffic)
		if err == nil {
			seen = time.Now()
			o.At, o.Clock, o.Phase, o.Schedule = seen.Sub(began), seen, phase, schedule
			before := Observation{Phase: -1}
			if len(history) > 0 {
				before = history[len(history)-1]
			}
			news := d.opts.Script.Tell(before, o)
			history, events = append(history, o), append(events, news...)
			d.screen.update(history, events, len(news))
		} else if time.Since(seen) > patience {
			return history, fmt.Errorf("the cluster has not answered for %s: %w", patience, err)
		}
		select {
		case <-ctx.Done():
			return history, ctx.Err()
		case err := <-d.lab.Cluster.Failed():
			return history, err
		case err := <-traffic.ended:
			return history, errors.Join(errors.New("the load ended before its time"), err)
		case <-tick.C:
		}
	}
}
