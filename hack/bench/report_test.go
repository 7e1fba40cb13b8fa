package bench

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden file")

func TestReport(t *testing.T) {
	phase := func(name string, took time.Duration, cpu time.Duration, reads float64, latencies ...[]time.Duration) Phase {
		p := Phase{Name: name, Machine: cpuTime{Busy: 1, All: 4}, Used: Usage{CPU: cpu, RSS: 64 << 20, Queries: 20, Reviews: 3, Reads: reads, Wanted: 100}}
		for _, l := range latencies {
			p.Samples = append(p.Samples, Sample{Latencies: l, Took: took})
		}
		return p
	}
	broken := phase("through kube-apiserver", time.Second, 0, 0)
	broken.Samples = []Sample{{Failed: 3, LastError: "503 Service Unavailable", Took: time.Second}}
	sample := func(took time.Duration, latencies ...int) Sample {
		return Sample{Latencies: ms(latencies...), Took: took}
	}
	r := &Report{
		Command: "make bench", HPAs: 100, Pods: 10, Replicas: 2, CPUs: 4, FleetTook: 12 * time.Second, AdapterTook: 3456 * time.Millisecond,
		LoadBefore: "0.10", LoadAfter: "1.90",
		Idle: phase("", 20*time.Second, 200*time.Millisecond, 0, nil),
		Flood: []Phase{
			phase("direct", time.Second, 32*time.Millisecond, 4, ms(2, 3), ms(3, 5)),
			phase("direct, floor", time.Second, 26*time.Millisecond, 0, ms(2), ms(1)),
			broken,
			phase("through kube-apiserver, floor", time.Second, 5*time.Millisecond, 0, ms(4)),
			phase(referenceName, time.Second, 0, 0, ms(20, 30), ms(33)),
			phase(referenceName+", floor", time.Second, 0, 0, ms(2), ms(3)),
		},
		ReferenceQueries: 3,
		Hung: []Sample{
			{Latencies: ms(1, 2), Slowest: 2 * time.Millisecond}, {Latencies: ms(1), Failed: 1, Slowest: 1900 * time.Millisecond},
		},
		Pace: []Phase{
			phase("direct", 15*time.Second, 300*time.Millisecond, 2, ms(2, 3), ms(3, 3)),
			phase("through kube-apiserver", 15*time.Second, 300*time.Millisecond, 2, ms(5, 6)),
		},
		PaceFloor: [][]Sample{
			{sample(15*time.Second, 2, 2), sample(15*time.Second, 2, 2)},
			{sample(15*time.Second, 4, 4)},
		},
	}
	var got bytes.Buffer
	if err := r.Write(&got); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/report.txt"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
}
