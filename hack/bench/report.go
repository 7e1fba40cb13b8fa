package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what a run found.
type Report struct {
	Command                    string
	HPAs, Pods, Replicas, CPUs int
	FleetTook, AdapterTook     time.Duration
	LoadBefore, LoadAfter      string // load averages
	Idle                       Phase
	Flood                      []Phase // read, its floor, read, its floor
	Pace                       []Phase // reads; what was used is their floor's, too
	PaceFloor                  [][]Sample
	Hung                       []Sample // of each period in which Prometheus hung, direct reads
	ReferenceQueries           int64    // that the reference sent for its reads, back to back
}

// nameWidth is that of the first column, which alone is aligned left.
const nameWidth = 45

// Write prints the report as a table.
func (r *Report) Write(w io.Writer) error {
	fmt.Fprintf(w, "\n%s\nLoadline benchmark: %d HPAs x %d pods, %d adapter replicas, %d CPUs for everything (control plane, Prometheus, kwok, readers)\n",
		r.Command, r.HPAs, r.Pods, r.Replicas, r.CPUs)
	fmt.Fprintf(w, "%d pods ran after %s; both metrics APIs were available %s after the adapter was applied\nload average of the machine over a minute: %s before the start, %s at the end (this run's own load included)\nits CPUs while nobody read: %s busy, by all that runs here\n\n",
		r.HPAs*r.Pods, r.FleetTook.Round(time.Second), r.AdapterTook.Round(100*time.Millisecond), r.LoadBefore, r.LoadAfter, r.Idle.Machine)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\trequests\tfailed\tp50\tp99\tmax\trequests/s\tp50 / floor\t(all turns)\tCPU a request\t")
	fmt.Fprintf(t, "%-*s\t\t\t\t\t\t\t\t\t\t\n", nameWidth, fmt.Sprintf("back to back, %d at once", workers))
	for i := 0; i+1 < len(r.Flood); i += 2 {
		read, floor := r.Flood[i], r.Flood[i+1]
		readCPU, floorCPU := r.cpu(read), r.cpu(floor)
		if read.Name == referenceName { // which is no process of the adapter
			readCPU, floorCPU = "-", "-"
		}
		pair(t, read.Name, Summarize(read.Samples), Summarize(floor.Samples), readCPU, floorCPU)
	}
	fmt.Fprintf(t, "%-*s\t\t\t\t\t\t\t\t\t\t\n", nameWidth, fmt.Sprintf("at HPA pace, each metric once per %s", SyncPeriod))
	for i, run := range r.Pace {
		pair(t, run.Name, Summarize(run.Samples), Summarize(r.PaceFloor[i]), "", "")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	r.writeReference(w)
	return r.writeUsage(w)
}

// writeReference compares reads with those of the reference, turn by turn.
func (r *Report) writeReference(w io.Writer) {
	for _, run := range r.Flood {
		if run.Name != referenceName {
			continue
		}
		theirs := Summarize(run.Samples)
		median, least, most := Ratio(theirs, Summarize(r.Flood[0].Samples))
		fmt.Fprintf(w, "with a list and a query for each read, the median read takes %.1f (%.1f-%.1f) times as long as the adapter's, direct; it sent %d queries for %d reads\n\n",
			median, least, most, r.ReferenceQueries, theirs.Requests+theirs.Failed)
	}
}

// cpu is the CPU time of the adapter a request, without what it uses when nobody
// asks.
func (r *Report) cpu(run Phase) string {
	s := Summarize(run.Samples)
	idle := r.Idle.Samples[0]
	if s.Requests == 0 || idle.Took == 0 {
		return "-"
	}
	used := run.Used.CPU - time.Duration(float64(r.Idle.Used.CPU)*s.Took.Seconds()/idle.Took.Seconds())
	if used < 0 {
		return "~0" // less than the noise of what is taken off
	}
	return (used / time.Duration(s.Requests)).Round(time.Microsecond).String()
}

func pair(w io.Writer, name string, read, floor Summary, readCPU, floorCPU string) {
	ratio := "-\t"
	if median, least, most := Ratio(read, floor); median > 0 {
		ratio = fmt.Sprintf("%.2f\t(%.2f-%.2f)", median, least, most)
	}
	line(w, name+": read", read, ratio, readCPU)
	line(w, "  its floor", floor, "1\t", floorCPU)
}

func line(w io.Writer, name string, s Summary, ratio, cpu string) {
	fmt.Fprintf(w, "%-*s\t%d\t%d\t%s\t%s\t%s\t%.0f\t%s\t%s\t\n", nameWidth, "  "+name, s.Requests, s.Failed, short(s.P50), short(s.P99), short(s.Max), s.PerSecond, ratio, cpu)
	if s.LastError != "" {
		fmt.Fprintf(w, "%.120s\t\t\t\t\t\t\t\t\t\t\n", s.LastError)
	}
}

// short is a latency; without an answer there is none, which is not 0.
func short(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2fms", float64(d)/float64(time.Millisecond))
}

// writeUsage prints what the adapter used, both replicas together.
func (r *Report) writeUsage(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%-*s\treads\tPrometheus queries\tqueries a read\tqueries/s\tSubjectAccessReviews\treviews a read\tCPU\tmachine busy\t\n", nameWidth, "adapter, replicas together")
	row := func(name string, run Phase, took time.Duration) {
		u := run.Used
		perRead := func(n float64) string {
			if u.Reads == 0 {
				return "-"
			}
			return fmt.Sprintf("%.4f", n/u.Reads)
		}
		fmt.Fprintf(t, "%-*s\t%.0f\t%.0f\t%s\t%.1f\t%.0f\t%s\t%.1f%%\t%s\t\n", nameWidth, name, u.Reads, u.Queries, perRead(u.Queries), u.Queries/took.Seconds(),
			u.Reviews, perRead(u.Reviews), 100*u.CPU.Seconds()/took.Seconds(), run.Machine)
	}
	row("nobody reads", r.Idle, r.Idle.Samples[0].Took)
	for _, run := range r.Flood {
		if strings.HasPrefix(run.Name, referenceName) {
			continue
		}
		row("back to back: "+run.Name, run, Summarize(run.Samples).Took)
	}
	for _, run := range r.Pace {
		row("HPA pace: "+run.Name+" + floor", run, Summarize(run.Samples).Took)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	rss := r.Idle.Used.RSS
	for _, run := range append(r.Flood, r.Pace...) {
		rss = max(rss, run.Used.RSS)
	}
	for i, s := range r.Hung {
		fmt.Fprintf(w, "%sPrometheus hangs, %s to %s: %d reads have the last value, %d an error, the slowest answer after %s\n", map[bool]string{true: "\n"}[i == 0],
			SyncPeriod*time.Duration(i), SyncPeriod*time.Duration(i+1), len(s.Latencies), s.Failed, short(s.Slowest))
	}
	_, err := fmt.Fprintf(w, "\np50 / floor is the median of the turns' ratios: a read's turn and its floor's come one right after the other\nresident memory of the larger replica: %.0f MiB, at most %.0f MiB; it evaluates %.0f metrics\n",
		r.Idle.Used.RSS/(1<<20), rss/(1<<20), r.Idle.Used.Wanted)
	return err
}
