package embedded_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded"
	"github.com/loadline/loadline/provider/source/embedded/builtin"
	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

// exporterEnv makes this test binary an exporter for all pods of a benchmark, so that what
// exporting costs is not counted.
const exporterEnv = "LOADLINE_BENCHMARK_EXPORTER"

// perPod is how many series a pod exports, and steadyRate that of its counter steady_total,
// which is one more.
const (
	perPod     = 200
	steadyRate = 10
)

// exposition is what a pod exports at its nth scrape: half of it counters of requests, the
// rest what Go programs have.
func exposition(n int) []byte {
	var b bytes.Buffer
	b.WriteString("# HELP http_requests_total Requests by method, code and path.\n# TYPE http_requests_total counter\n")
	for i := range perPod / 2 {
		fmt.Fprintf(&b, "http_requests_total{method=\"GET\",code=\"%d\",path=\"/api/v1/things/%d\"} %d\n", 200+100*(i%4), i/4, n*(i+1))
	}
	b.WriteString("# TYPE http_request_duration_seconds histogram\n")
	for i := range perPod/2 - 2 {
		fmt.Fprintf(&b, "http_request_duration_seconds_bucket{path=\"/api/v1/things\",le=\"%v\"} %d\n", float64(i)/10, n*i)
	}
	fmt.Fprintf(&b, "process_resident_memory_bytes %d\ngo_goroutines %d\n", 30_000_000+4096*n, 10+n%5)
	return b.Bytes()
}

// export serves until its standard input ends.
func export() {
	var bodies [64][]byte
	for i := range bodies {
		bodies[i] = exposition(i)
	}
	var served atomic.Int64
	began := time.Now()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		_ = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			fmt.Fprintf(w, "steady_total %v\n", steadyRate*time.Since(began).Seconds())
			// It rises slowly enough for each pod's to rise, and begins anew now and then.
			_, _ = w.Write(bodies[served.Add(1)/1000%int64(len(bodies))])
		}))
	}()
	fmt.Println(listener.Addr())
	_, _ = bufio.NewReader(os.Stdin).ReadString(0)
}

// exporters starts the other process and returns pods that all have its address.
func exporters(b *testing.B, pods int) []target.Target {
	b.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), exporterEnv+"=1")
	stdin, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = command.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	address := netip.MustParseAddrPort(strings.TrimSpace(line))
	var all []target.Target
	for i := range pods {
		all = append(all, target.Target{
			Namespace: fmt.Sprintf("team-%d", i%20), Pod: fmt.Sprintf("web-deployment-6d5f8c7b9-%05d", i), Node: fmt.Sprintf("node-%d", i%50),
			Address: address, Scheme: "http", Path: "/metrics",
		})
	}
	return all
}

// BenchmarkScrape prints what scraping pods costs: once all is held, part of a core, and
// memory of the process and of each series that is held, with what the scrape loops keep. One
// round takes a minute.
//
// The exporters are another process, so that what they take is not in it. What the kernel
// takes for the connections is, as far as it counts it as ours.
//
//	go test -run - -bench Scrape/pods=1000 -benchtime 1x ./provider/source/embedded
func BenchmarkScrape(b *testing.B) {
	rules, err := rule.Compile(builtin.Rules(scrape.DefaultInterval))
	if err != nil {
		b.Fatal(err)
	}
	two := new(wanted.Maker).Of(rules, []metric.Identifier{
		{API: metric.Custom, Metric: "process_resident_memory_bytes", Resource: schema.GroupResource{Resource: "pods"}},
		{API: metric.Custom, Metric: "go_goroutines", Resource: schema.GroupResource{Resource: "pods"}},
	}, nil)
	for _, pods := range []int{100, 1000, 2000, 5000} {
		for name, filter := range map[string]wanted.Filter{"everything": wanted.Everything(), "two": two} {
			b.Run(fmt.Sprintf("pods=%d/%s", pods, name), func(b *testing.B) {
				targets := exporters(b, pods)
				for b.Loop() {
					benchmarkScrape(b, targets, filter)
				}
			})
		}
	}
}

func benchmarkScrape(b *testing.B, targets []target.Target, filter wanted.Filter) {
	empty := live()
	s, err := embedded.New(embedded.Config{Engine: engine.Config{Dir: b.TempDir(), MaxSeries: 10_000_000}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	s.Set(targets, target.Fence{Loopback: true}, filter)
	time.Sleep(6 * scrape.DefaultInterval) // until each has been scraped a few times
	began, before := time.Now(), processorTime(b)
	time.Sleep(6 * scrape.DefaultInterval)
	cores := (processorTime(b) - before).Seconds() / time.Since(began).Seconds()
	resident := residentBytes(b)
	up := 0
	for _, status := range s.Status() {
		if status.Up {
			up++
		}
	}
	held := s.Holding().Series
	inUse := live()
	b.ReportMetric(float64(up), "up")
	b.ReportMetric(float64(held), "series")
	b.ReportMetric(cores, "cores")
	b.ReportMetric(float64(resident)/1e6, "MB-resident")
	b.ReportMetric(float64(inUse)/1e6, "MB-live")
	b.ReportMetric(float64(inUse-empty)/float64(max(held, 1)), "B/series")
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	if err := s.Close(); err != nil {
		b.Error(err)
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func residentBytes(b *testing.B) int64 {
	b.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
