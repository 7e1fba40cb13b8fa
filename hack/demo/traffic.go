package demo

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

// traffic is the load on Remind Me.
type traffic struct {
	web, reminders *load.Driver
	running        sync.WaitGroup
	ended          chan error // of a driver that ended, for whatever reason
}

// startTraffic starts the drivers, at rate 0, until ctx ends.
func (d *demo) startTraffic(ctx context.Context) (*traffic, error) {
	t := &traffic{ended: make(chan error, 2)}
	var err error
	if t.web, err = d.driver(ctx, "remindmeweb-service", load.Get("/")); err != nil {
		return nil, err
	}
	if t.reminders, err = d.driver(ctx, "remindmeapi-service", load.CreateReminders("demo")); err != nil {
		return nil, err
	}
	for _, driver := range []*load.Driver{t.web, t.reminders} {
		t.running.Go(func() { t.ended <- driver.Run(ctx) })
	}
	return t, nil
}

func (d *demo) driver(ctx context.Context, service string, request load.Request) (*load.Driver, error) {
	from := load.Slices
	if !d.isolated {
		from = load.Pods
	}
	endpoints, err := load.Watch(ctx, d.lab.Client, lab.RemindMeNamespace, service, "http", from)
	if err != nil {
		return nil, err
	}
	return load.New(load.Options{Pick: endpoints.Pick, Request: request, Limits: load.Limits{
		Requests: 1_000_000, Concurrency: 250, Duration: 24 * time.Hour, Timeout: 5 * time.Second,
	}})
}

func (t *traffic) set(r Rates) error {
	return errors.Join(t.web.SetRate(r.Web), t.reminders.SetRate(r.Reminders))
}

func (t *traffic) loads() []Load {
	return []Load{seen("pages", t.web), seen("reminders", t.reminders)}
}

func seen(name string, d *load.Driver) Load {
	s := d.Stats()
	return Load{Name: name, Asked: d.Rate(), OK: s.OK, Failed: s.Failed, LastError: s.LastError, Unsent: s.NoTarget + s.Saturated}
}

// wait waits for the drivers, whose context must be done.
func (t *traffic) wait() { t.running.Wait() }
