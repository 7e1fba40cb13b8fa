// Package worker processes due reminders.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/loadline/loadline/deploy/examples/remindme/queue"
	"github.com/loadline/loadline/deploy/examples/remindme/reminder"
)

// Work delivers one reminder. It is called at least once for each and must
// return soon after ctx ends.
type Work func(ctx context.Context, r reminder.Reminder) error

// Options configure a worker.
type Options struct {
	Concurrency int           // reminders processed at the same time
	Grace       time.Duration // how long started work may go on after the end was asked for
}

const (
	// fetchWait bounds a request for the next reminder. A fetch is never
	// broken off: a reminder already on its way to us would be in flight with
	// nobody until its ack wait is over. So this also bounds an idle stop.
	fetchWait = time.Second
	ackWait   = 5 * time.Second        // for the queue's confirmation
	pause     = 500 * time.Millisecond // after a failed fetch
	nakDelay  = time.Second            // before a failed reminder is tried again
)

// Run processes due reminders until ctx ends. Then it fetches no more, lets
// started work finish within the grace period and gives the rest back.
func Run(ctx context.Context, nc *nats.Conn, o Options, work Work, m *Metrics, log *slog.Logger) error {
	if o.Concurrency < 1 {
		return fmt.Errorf("concurrency: %d, must be at least 1", o.Concurrency)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	// Work outlives ctx by the grace period, and no longer.
	workCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(o.Grace, cancel) })
	defer stop()

	w := &worker{js: js, work: work, metrics: m, log: log}
	var lanes sync.WaitGroup
	for range o.Concurrency {
		lanes.Go(func() { w.lane(ctx, workCtx) })
	}
	lanes.Wait()
	return nil
}

type worker struct {
	js      jetstream.JetStream
	work    Work
	metrics *Metrics
	log     *slog.Logger
}

// lane fetches and processes one reminder at a time, so that none waits,
// delivered, behind another while a second worker is idle.
func (w *worker) lane(ctx, workCtx context.Context) {
	var cons jetstream.Consumer
	for ctx.Err() == nil {
		var err error
		if cons == nil {
			cons, err = w.js.Consumer(ctx, queue.Stream, queue.Consumer)
		}
		var msg jetstream.Msg
		if err == nil {
			msg, err = fetch(cons)
		}
		switch {
		case err != nil:
			cons = nil // the queue may have come back as a new one
			if ctx.Err() == nil {
				w.log.Warn("no reminder could be fetched", "err", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		case msg == nil: // nothing is due
		case ctx.Err() != nil: // the end was asked for while we waited
			w.giveBack(msg, 0)
		default:
			w.process(workCtx, msg, cons.CachedInfo().Config.AckWait)
		}
	}
}

// fetch returns the next due reminder, or nil if there is none for now.
func fetch(cons jetstream.Consumer) (jetstream.Msg, error) {
	batch, err := cons.Fetch(1, jetstream.FetchMaxWait(fetchWait))
	if err != nil {
		return nil, err
	}
	msg := <-batch.Messages()
	if msg != nil {
		return msg, nil
	}
	return nil, batch.Error()
}

func (w *worker) process(ctx context.Context, msg jetstream.Msg, redelivery time.Duration) {
	r, err := reminder.Parse(msg.Data())
	if err != nil {
		// Only something other than our API can have written it. Trying
		// again cannot help.
		w.log.Error("unreadable reminder dropped", "subject", msg.Subject(), "err", err)
		w.metrics.done(outcomeUnreadable)
		if err := msg.TermWithReason("unreadable"); err != nil {
			w.log.Warn("an unreadable reminder could not be dropped", "err", err)
		}
		return
	}
	w.metrics.inFlight.Inc()
	defer w.metrics.inFlight.Dec()
	err = w.runWork(ctx, msg, r, redelivery)
	switch {
	case err == nil:
		w.acknowledge(msg, r)
	case ctx.Err() != nil:
		w.metrics.done(outcomeGivenBack)
		w.giveBack(msg, 0)
	default:
		w.log.Warn("reminder failed, will be tried again", "id", r.ID, "err", err)
		w.metrics.done(outcomeFailed)
		w.giveBack(msg, nakDelay)
	}
}

// runWork tells the queue that the work goes on, well before it would deliver
// the reminder to another worker.
func (w *worker) runWork(ctx context.Context, msg jetstream.Msg, r reminder.Reminder, redelivery time.Duration) error {
	done := make(chan struct{})
	var beat sync.WaitGroup
	beat.Go(func() {
		t := time.NewTicker(max(redelivery/3, 10*time.Millisecond))
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				if err := msg.InProgress(); err != nil {
					w.log.Warn("work in progress could not be reported", "id", r.ID, "err", err)
				}
			}
		}
	})
	start := time.Now()
	err := w.work(ctx, r)
	w.metrics.seconds.Observe(time.Since(start).Seconds())
	close(done)
	beat.Wait()
	return err
}

// acknowledge deletes the reminder from the queue. It waits for the
// confirmation: without one the reminder counts as not done, and comes again.
func (w *worker) acknowledge(msg jetstream.Msg, r reminder.Reminder) {
	ctx, cancel := context.WithTimeout(context.Background(), ackWait)
	defer cancel()
	if err := msg.DoubleAck(ctx); err != nil {
		w.metrics.done(outcomeUnconfirmed)
		w.log.Warn("reminder done, but the queue did not confirm; it may come again", "id", r.ID, "err", err)
		return
	}
	w.metrics.done(outcomeDone)
	w.log.Info("reminder done", "id", r.ID, "late", time.Since(r.Due))
}

// giveBack lets the queue deliver msg to another worker after delay.
func (w *worker) giveBack(msg jetstream.Msg, delay time.Duration) {
	nak := msg.Nak
	if delay > 0 {
		nak = func() error { return msg.NakWithDelay(delay) }
	}
	if err := nak(); err != nil && !errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
		w.log.Warn("a reminder could not be given back; it comes again after the ack wait", "err", err)
	}
}

// Wait is the sample's work: it takes d.
func Wait(d time.Duration) Work {
	return func(ctx context.Context, _ reminder.Reminder) error {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
