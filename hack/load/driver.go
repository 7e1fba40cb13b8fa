package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync"
	"time"
)

// MaxRate is the highest rate a driver accepts, in requests per second.
const MaxRate = 5000

// tick is how often due requests are sent.
const tick = 5 * time.Millisecond

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// Limits bound a driver. All of them must be positive.
type Limits struct {
	Requests    uint64        // sent in all
	Concurrency int           // waiting for their answers
	Duration    time.Duration // from Run on
	Timeout     time.Duration // of one request
}

// Request builds the request for one target (IP:PORT).
type Request func(ctx context.Context, target string) (*http.Request, error)

// Options configure a driver.
type Options struct {
	// Pick returns the next target, or false if there is none.
	Pick    func() (string, bool)
	Request Request
	Limits  Limits
	// Transport is for tests; nil is a transport that dials nothing but pods
	// of the local cluster.
	Transport http.RoundTripper
}

// Driver sends requests at a rate. Its methods may be called at any time.
type Driver struct {
	opts   Options
	client *http.Client
	stats  recorder

	mu   sync.Mutex
	rate float64
}

// New returns a driver whose rate is 0.
func New(o Options) (*Driver, error) {
	var errs []error
	l := o.Limits
	if l.Requests == 0 || l.Concurrency <= 0 || l.Duration <= 0 || l.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("limits: %+v: every one must be positive", l))
	}
	if o.Pick == nil || o.Request == nil {
		errs = append(errs, errors.New("options: Pick and Request must be set"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	d := &Driver{opts: o}
	rt := o.Transport
	if rt == nil {
		rt = transport(l.Concurrency)
	}
	d.client = &http.Client{
		Transport:     rt,
		Timeout:       l.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return d, nil
}

// SetRate changes the rate, in requests per second.
func (d *Driver) SetRate(perSecond float64) error {
	if math.IsNaN(perSecond) || perSecond < 0 || perSecond > MaxRate {
		return fmt.Errorf("rate: %v: must be from 0 to %d requests per second", perSecond, MaxRate)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rate = perSecond
	return nil
}

// Rate returns the rate asked for, in requests per second.
func (d *Driver) Rate() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rate
}

// Stats returns what has happened so far.
func (d *Driver) Stats() Stats { return d.stats.snapshot() }

// Run sends requests until ctx ends or a limit is reached, then waits for
// open requests, which their timeout bounds. Reaching a limit is no error.
func (d *Driver) Run(ctx context.Context) error {
	// Requests that were sent are finished: breaking them off would count as
	// failures of the server.
	requests := context.WithoutCancel(ctx)
	ctx, cancel := context.WithTimeout(ctx, d.opts.Limits.Duration)
	defer cancel()
	defer d.client.CloseIdleConnections()

	var open sync.WaitGroup
	defer open.Wait()
	slots := make(chan struct{}, d.opts.Limits.Concurrency)
	t := time.NewTicker(tick)
	defer t.Stop()
	last, credit := time.Now(), 0.0
	for sent := uint64(0); ; {
		select {
		case <-ctx.Done():
			return nil
		case now := <-t.C:
			// Time that a busy machine took from us is caught up with, but not
			// more than a second of it.
			credit += d.Rate() * min(now.Sub(last), time.Second).Seconds()
			last = now
		}
		for ; credit >= 1; credit-- {
			if sent == d.opts.Limits.Requests {
				return nil
			}
			target, ok := d.opts.Pick()
			if !ok {
				d.stats.noTarget()
				continue
			}
			if err := CheckTarget(target); err != nil {
				return err
			}
			select {
			case slots <- struct{}{}:
			default:
				d.stats.saturated()
				continue
			}
			sent++
			d.stats.sent()
			open.Go(func() {
				defer func() { <-slots }()
				start := time.Now()
				err := d.send(requests, target)
				d.stats.answered(time.Since(start), err)
			})
		}
	}
}

func (d *Driver) send(ctx context.Context, target string) error {
	req, err := d.opts.Request(ctx, target)
	if err != nil {
		return err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return err
	}
	if resp.StatusCode >= 400 {
		return fmt.Errorf("%s %s: %s", req.Method, req.URL, resp.Status)
	}
	return nil
}
