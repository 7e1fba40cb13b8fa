package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"
)

// Options of a run.
type Options struct {
	Root    string        // of the repository
	HPAs    int           // each with a workload
	Pods    int           // of each workload
	Turns   int           // of each path, back to back
	Turn    time.Duration // length of each
	Periods int           // of 15 s, at HPA pace
	Profile string        // file for a CPU profile of direct reads; none if empty
	Keep    bool          // leave the state directory
	Wide    int           // series of the wide rule; 0 for the other benchmark
	Child   bool          // the process that discovers them
	URL     string        // of the source, for the child
	Command string        // that a reader of the report repeats it by
	Log     io.Writer     // progress
}

// idleTime is how long the adapter is watched while nobody reads.
const idleTime = 20 * time.Second

// Run starts the system, measures, and stops it.
func Run(ctx context.Context, o Options) (report *Report, err error) {
	before := loadAverage()
	o.say("Starting the system")
	s, err := startSystem(ctx, o.Root, o.Keep, o.Log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()

	apps := Fleet(o.HPAs)
	o.say("Creating %d HPAs with %d pods each", o.HPAs, o.Pods)
	began := time.Now()
	pods, err := Deploy(ctx, s.lab.Client, apps, o.Pods, time.Minute+time.Duration(o.HPAs*o.Pods)*100*time.Millisecond)
	if err != nil {
		return nil, err
	}
	report = &Report{
		LoadBefore: before,
		Command:    o.Command, HPAs: o.HPAs, Pods: o.Pods, CPUs: runtime.NumCPU(), FleetTook: time.Since(began),
	}
	s.exporter.Serve(pods)
	if report.AdapterTook, err = s.startAdapter(ctx); err != nil {
		s.lab.DumpLogs(o.Log)
		return nil, err
	}
	a, err := s.access(ctx)
	if err != nil {
		return nil, err
	}
	report.Replicas = len(a.replicas)
	o.say("Checking every value on each of %d replicas", len(a.replicas))
	if err := verify(ctx, a, apps, o.Pods); err != nil {
		return nil, err
	}
	if err = o.measure(ctx, a, apps, report); err == nil {
		err = o.hang(ctx, s, paths(a, apps, o.Pods)[0], report)
	}
	report.LoadAfter = loadAverage()
	return report, err
}

// measure fills in the report's figures.
func (o Options) measure(ctx context.Context, a *access, apps []App, report *Report) error {
	meter := Meter{Client: a.admin, Replicas: a.replicas}
	paths := paths(a, apps, o.Pods)

	o.say("Nobody reads: %s", idleTime)
	var idled Sample
	var err error
	if report.Idle, err = metered(ctx, meter, func() { idled = idle(ctx, idleTime) }); err != nil {
		return err
	}
	report.Idle.Samples = []Sample{idled}
	o.say("Back to back: %d turns of %s for each of %d paths", o.Turns, o.Turn, len(paths))
	if report.Flood, err = flood(ctx, meter, paths, o.Turns, o.Turn); err != nil {
		return err
	}
	report.ReferenceQueries = a.refers.queries.Load()
	for _, pair := range [][]*Path{paths[:2], paths[2:4]} {
		o.say("At HPA pace: %d periods of %s, %s", o.Periods, SyncPeriod, pair[0].Name)
		var samples [][]Sample
		run, err := metered(ctx, meter, func() { samples = Pace(ctx, pair, len(apps), o.Periods) })
		if err != nil {
			return err
		}
		run.Name, run.Samples = pair[0].Name, samples[0]
		report.Pace = append(report.Pace, run)
		report.PaceFloor = append(report.PaceFloor, samples[1])
	}
	if o.Profile != "" {
		o.say("Profile of direct reads")
		if err := profile(ctx, a, paths[0], o.Profile); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// hungPeriods is for how long Prometheus hangs, in SyncPeriods: longer than values are
// served without it (--value-max-age, 30 s).
const hungPeriods = 4

// hang stops Prometheus so that it accepts connections and never answers, and asks on at
// HPA pace.
func (o Options) hang(ctx context.Context, s *system, path *Path, report *Report) error {
	o.say("Prometheus hangs: %d periods of %s", hungPeriods, SyncPeriod)
	if err := s.prometheus.Hang(); err != nil {
		return err
	}
	report.Hung = Pace(ctx, []*Path{path}, o.HPAs, hungPeriods)[0]
	return errors.Join(s.prometheus.Resume(), ctx.Err())
}

// paths are the measured ones: direct, through kube-apiserver, and of the reference, the
// read and its floor each.
func paths(a *access, apps []App, pods int) []*Path {
	var read []string
	for _, app := range apps {
		read = append(read, app.path())
	}
	floor, ownFloor := []string{floorPath}, []string{ownFloorPath}
	return []*Path{
		{Name: "direct", Client: a.direct, Base: a.replicas[0], URIs: read, Check: items(pods)},
		{Name: "direct, floor", Client: a.direct, Base: a.replicas[0], URIs: floor, Check: discovery(floorPath)},
		{Name: "through kube-apiserver", Client: a.via, Base: a.server, URIs: read, Check: items(pods)},
		{Name: "through kube-apiserver, floor", Client: a.via, Base: a.server, URIs: floor, Check: discovery(floorPath)},
		{Name: referenceName, Client: a.apart, Base: a.refers.url, URIs: read, Check: items(pods)},
		{Name: referenceName + ", floor", Client: a.apart, Base: a.refers.url, URIs: ownFloor, Check: discovery(ownFloorPath)},
	}
}

// referenceName is that of reads of the reference.
const referenceName = "one list, one query a read"

// flood lets the paths take turns. A read and its floor come one right after the
// other, so that they meet the same noise; who goes first alternates.
func flood(ctx context.Context, meter Meter, paths []*Path, turns int, length time.Duration) ([]Phase, error) {
	phases := make([]Phase, len(paths))
	for turn := range turns {
		for _, at := range order(turn, len(paths)) {
			var sample Sample
			run, err := metered(ctx, meter, func() { sample = paths[at].Flood(ctx, length) })
			if err != nil {
				return nil, err
			}
			phases[at].Samples = append(phases[at].Samples, sample)
			phases[at].Used = phases[at].Used.Add(run.Used)
			phases[at].Machine = phases[at].Machine.Add(run.Machine)
		}
	}
	for i := range phases {
		phases[i].Name = paths[i].Name
	}
	return phases, ctx.Err()
}

// order is the order of n paths, a read and its floor next to each other.
func order(turn, n int) []int {
	first := turn % 2
	at := make([]int, 0, n)
	for i := 0; i+1 < n; i += 2 {
		at = append(at, i+first, i+1-first)
	}
	return at
}

// Phase is one path's turns, with what the adapter used meanwhile.
type Phase struct {
	Name    string
	Samples []Sample
	Used    Usage
	Machine cpuTime // of all that runs on it
}

// metered measures what is used while act acts.
func metered(ctx context.Context, meter Meter, act func()) (Phase, error) {
	before, err := meter.Read(ctx)
	if err != nil {
		return Phase{}, err
	}
	machine := machineTime()
	act()
	p := Phase{Machine: machineTime().Sub(machine)}
	after, err := meter.Read(ctx)
	p.Used = after.Sub(before)
	return p, err
}

// idle does nothing for a time.
func idle(ctx context.Context, length time.Duration) Sample {
	began := time.Now()
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return Sample{Took: time.Since(began)}
}

func (o Options) say(format string, args ...any) {
	if o.Log != nil {
		fmt.Fprintf(o.Log, "bench: "+format+"\n", args...)
	}
}
