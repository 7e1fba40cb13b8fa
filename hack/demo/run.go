package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/netns"
)

// Options of Run.
type Options struct {
	Root          string        // of the repository; bin/ in it holds the programs
	Source        lab.Source    // of the adapter's numbers; Prometheus if empty
	HPASyncPeriod time.Duration // Kubernetes' 15 s if 0
	Downscale     time.Duration // stabilization window of the HPAs; they state 5 min, if 0
	Script        Script
	Keep          bool // leave all running after the summary, until ctx is done
	Out           io.Writer
	// Size returns the size of the terminal that Out is; nil or false if it is none.
	Size func() (Size, bool)
}

// Run shows the demo and stops all that it started. It returns an error if
// scaling did not happen, and ctx's error if ctx was done before the summary.
func Run(ctx context.Context, o Options) (err error) {
	if err := lab.CheckPrograms(o.Root); err != nil {
		return err
	}
	d := &demo{opts: o, isolated: netns.Isolated(), screen: newScreen(o.Out, o.Size)}
	// Read while all of it starts: a terminal shows nothing but the plot later.
	fmt.Fprintln(o.Out, introduction(o))
	began := time.Now()
	if err := d.start(ctx); err != nil {
		return err
	}
	defer func() {
		d.screen.end()
		fmt.Fprintln(o.Out, "Stopping everything")
		if stop := d.lab.Stop(); stop != nil {
			err = errors.Join(err, stop)
		}
		d.release()
	}()
	if err := d.prepare(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.lab.DumpLogs(o.Out)
		return err
	}
	fmt.Fprintf(o.Out, "Everything runs after %s\n\n", time.Since(began).Round(time.Second))
	return d.show(ctx)
}

type demo struct {
	opts     Options
	isolated bool
	screen   *screen
	lab      *lab.Lab
	release  context.CancelFunc // of the lab's context, once it has stopped
}

// start starts the lab. While that lasts ctx ends it; afterwards it is stopped
// in order, by Stop.
func (d *demo) start(ctx context.Context) error {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.release = cancel
	follow := context.AfterFunc(ctx, cancel)
	options := lab.Options{
		Root: d.opts.Root, Source: d.opts.Source, HPASyncPeriod: d.opts.HPASyncPeriod, DownscaleStabilization: d.opts.Downscale, Log: d.screen,
	}
	if !d.isolated {
		fmt.Fprintln(d.opts.Out, lab.HostNotice)
	}
	var err error
	d.lab, err = lab.Start(running, options)
	if followed := !follow(); followed && err == nil {
		if stop := d.lab.Stop(); stop != nil {
			return errors.Join(ctx.Err(), stop)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err() // what failed, failed because of it
	}
	if err != nil {
		cancel()
	}
	return err
}

func (d *demo) prepare(ctx context.Context) error {
	if d.opts.Source != lab.Embedded {
		if err := d.lab.StartPrometheus(ctx); err != nil {
			return err
		}
	}
	if err := d.lab.StartAdapter(ctx); err != nil {
		return err
	}
	if err := d.lab.StartPolicies(ctx); err != nil {
		return err
	}
	return d.lab.StartRemindMeByPolicies(ctx, d.opts.Script.After)
}

// show drives the load, and ends with the summary.
func (d *demo) show(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	traffic, err := d.startTraffic(ctx)
	if err != nil {
		cancel()
		return err
	}
	defer traffic.wait()
	defer cancel()
	history, err := d.play(ctx, traffic)
	d.screen.end()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	d.opts.Script.Report(d.opts.Out, history)
	if verdict := errors.Join(Verdict(history), d.opts.Script.VerdictOnPolicies(history)); verdict != nil {
		d.lab.DumpLogs(d.opts.Out)
		return fmt.Errorf("scaling did not happen as it should:\n%w", verdict)
	}
	fmt.Fprintln(d.opts.Out, "Every HPA was made by its policy, scaled up with its load, and down again; every floor came and went.")
	if !d.opts.Keep {
		return nil
	}
	fmt.Fprint(d.opts.Out, d.lookAround(ctx))
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.lab.Cluster.Failed():
		return err
	}
}
