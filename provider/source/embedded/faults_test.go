package embedded_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded"
	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

// run starts a source that ends with the test.
func run(t testing.TB, c embedded.Config) *embedded.Source {
	t.Helper()
	c.Engine.Dir = t.TempDir()
	s, err := embedded.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// value is that of a query with one sample; NaN if there is none.
func value(t testing.TB, s *embedded.Source, query string) float64 {
	t.Helper()
	answer, err := s.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Samples) != 1 {
		return math.NaN()
	}
	return answer.Samples[0].Value
}

func within(t testing.TB, limit time.Duration, check func() string) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		said := check()
		if said == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(said)
		}
	}
}

// exporterAt serves on a loopback address of its own.
func exporterAt(t testing.TB, address string, handler http.HandlerFunc) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("no listener on %s: %v", address, err) // where there is but one loopback address
	}
	server := httptest.NewUnstartedServer(handler)
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return netip.MustParseAddrPort(listener.Addr().String())
}

// Two replicas scrape the same counter at moments of their own: what they answer differs by
// as much as it counts in one scrape interval.
func TestTwoReplicasAgree(t *testing.T) {
	const perSecond, interval = 1000, 500 * time.Millisecond
	began := time.Now()
	at := exporterAt(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "c_total %v\n", perSecond*time.Since(began).Seconds())
	})
	config := embedded.Config{Scrape: scrape.Config{Interval: interval}}
	one, other := run(t, config), run(t, config)
	pod := []target.Target{{Namespace: "shop", Pod: "web", Node: "n", Address: at, Scheme: "http", Path: "/metrics"}}
	one.Set(pod, target.Fence{Loopback: true}, wanted.Everything())
	time.Sleep(interval / 2) // what they begin with is not the same either
	other.Set(pod, target.Fence{Loopback: true}, wanted.Everything())
	const rate = "sum(rate(c_total[2s]) and count_over_time(c_total[2s]) >= 4)"
	within(t, 30*time.Second, func() string {
		if a, b := value(t, one, rate), value(t, other, rate); math.IsNaN(a) || math.IsNaN(b) {
			return fmt.Sprintf("rates are %v and %v", a, b)
		}
		return ""
	})
	compared, far := 0, 0
	for range 60 {
		time.Sleep(interval / 8)
		a, b := value(t, one, "sum(c_total)"), value(t, other, "sum(c_total)")
		if math.IsNaN(a) || math.IsNaN(b) {
			continue // a scrape took longer than it may, if much else runs
		}
		compared++
		if diff := math.Abs(a - b); diff > perSecond*interval.Seconds()*1.2 {
			far++ // or came late
			t.Logf("%v and %v are %v apart", a, b, diff)
		}
	}
	if compared < 30 || far > compared/4 {
		t.Errorf("%d of %d times they are further apart than one scrape", far, compared)
	}
}

// Ten thousand pods of an HPA are chosen within seconds, and in as much memory as they are.
func TestTenThousandPodsAreListed(t *testing.T) {
	const pods = 10_000
	in := target.Input{Wanted: []target.Selection{{Namespace: "shop", Selector: labels.SelectorFromSet(labels.Set{"app": "web"})}}}
	for i := range pods {
		in.Pods = append(in.Pods, target.Pod{
			Namespace: "shop", Name: fmt.Sprintf("web-%05d", i), UID: fmt.Sprint(i), Labels: map[string]string{"app": "web"}, Node: "n", Running: true,
			IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(i % 250)})}, Ports: []target.Port{{Name: "metrics", Number: 8080}},
		})
	}
	began := time.Now()
	targets, refused := target.List(in)
	if took := time.Since(began); len(targets) != pods || len(refused) != 0 || took > 20*time.Second {
		t.Errorf("%d targets and %d refused after %s", len(targets), len(refused), took)
	} else {
		t.Logf("%d targets after %s", len(targets), took)
	}
}

var manyPods = flag.Int("pods", 500, "pods that appear at once in TestManyPodsAtOnce")

// Many pods appear at once, for most of which there is no room: those that were there are
// scraped on, and are all that is answered of them.
//
// It is some hundreds, for two cores with a race detector and other tests beside this one.
// With ten thousand, for a machine that does nothing else:
//
//	go test -run ManyPodsAtOnce -pods 10000 ./provider/source/embedded
func TestManyPodsAtOnce(t *testing.T) {
	const old, most, interval = 20, 100, 5 * time.Second
	young := *manyPods
	var mu sync.Mutex
	scraped := map[string]int{}
	handler := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		scraped[r.URL.Path]++
		n := scraped[r.URL.Path]
		mu.Unlock()
		fmt.Fprintf(w, "c_total %d\n", 10*n)
	}
	var targets []target.Target
	for i := range old + young {
		name := fmt.Sprintf("old-%d", i)
		if i >= old {
			name = fmt.Sprintf("young-%d", i)
		}
		targets = append(targets, target.Target{Namespace: "shop", Pod: name, Node: "n", Scheme: "http", Path: "/" + name})
	}
	var at []netip.AddrPort
	for i := range 4 {
		at = append(at, exporterAt(t, fmt.Sprintf("127.0.0.%d:0", i+1), handler))
	}
	for i := range targets {
		targets[i].Address = at[i%len(at)]
	}
	s := run(t, embedded.Config{Scrape: scrape.Config{Interval: interval}, Engine: engine.Config{MaxSeries: most}})
	only := new(wanted.Maker).Of(&rule.Set{}, nil, []string{"c_total"})
	const rates = `count(irate(c_total{pod=~"old.*"}[20s]) > 0)`
	s.Set(targets[:old], target.Fence{Loopback: true}, only)
	within(t, 60*time.Second, func() string {
		if n := value(t, s, rates); n != old {
			return fmt.Sprintf("%v of %d pods have a rate", n, old)
		}
		return ""
	})

	before := live()
	s.Set(targets, target.Fence{Loopback: true}, only)
	within(t, 120*time.Second, func() string {
		if n := len(s.Holding().Refused); n < young/2 {
			return fmt.Sprintf("%d of %d targets are refused", n, young)
		}
		return ""
	})
	// As for an HPA that has nothing to do with the new ones: every pod has a value, of a new
	// sample. Where much else runs, that of a pod may be missing for a scrape.
	good := 0
	within(t, 120*time.Second, func() string {
		stale := ""
		for _, one := range s.Status()[:old] { // by name
			if age := time.Since(one.At); !one.Up || age > 2*interval {
				stale = fmt.Sprintf("; %s was scraped %s ago, up: %t (%v)", one.Target, age, one.Up, one.Err)
			}
		}
		n := value(t, s, rates)
		if good++; n != old || stale != "" {
			good = 0
		}
		if good < 10 {
			time.Sleep(interval / 10)
			return fmt.Sprintf("beside thousands, %v of %d pods have a rate%s", n, old, stale)
		}
		return ""
	})
	if held := s.Holding().Series; held > most {
		t.Errorf("%d series are held, want %d", held, most)
	}
	if n := value(t, s, `count(c_total)`); n > most {
		t.Errorf("%v series are answered, want at most %d", n, most)
	}
	// What is kept for each target that is scraped, its connections and its loop.
	if each := (live() - before) / int64(young); each > 200<<10 {
		t.Errorf("%d KiB for each pod more", each>>10)
	} else {
		t.Logf("%d KiB for each pod more", each>>10)
	}
}

func live() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
