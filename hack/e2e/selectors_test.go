//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/loadline/loadline/hack/load"
)

// Test7TenThousandSelectors: a reader asks for 10,000 distinct selectors in a
// namespace of its own, 20 at a time. What is beyond the limit is refused with
// 403 and the name of the limit, and nothing gets another error than "absent" or
// "not evaluated yet". Meanwhile every read of the HPAs' metrics succeeds within
// 2 s, and a first read elsewhere succeeds afterwards. The adapters' memory does
// not grow with what was refused, and they were not restarted.
func Test7TenThousandSelectors(t *testing.T) {
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 10)
	othersServed(t)
	before := usages(t)

	stop := reading(t)
	began := time.Now()
	count := flood(t, 10_000, 20)
	took := time.Since(began).Round(time.Second)
	reads, slowest := stop()
	t.Logf("10,000 selectors in %s: %v; %d reads of HPAs' metrics meanwhile, the slowest in %s", took, count, reads, slowest.Round(time.Millisecond))

	// 300 in the lab, for each of two adapters.
	if taken := 10_000 - count[http.StatusForbidden]; taken > 600 || taken < 300 {
		t.Errorf("%d were taken, the limit is 300 for each of two adapters", taken)
	}
	if _, err := system.Raw(t.Context(), depthPath+"%2Cqueue%21%3Dfirst-read"); err != nil {
		t.Errorf("a first read in another namespace: %v", err)
	}
	for pod, is := range usages(t) {
		was, same := before[pod]
		t.Logf("%s: %d MiB before, %d MiB after", pod, was.memory>>20, is.memory>>20)
		if !same || is.restarts != was.restarts {
			t.Errorf("%s was restarted", pod)
		}
		// 10,000 selectors held at 10 KiB each would be 100 MiB.
		if is.memory > was.memory+64<<20 {
			t.Errorf("%s grew from %d to %d MiB", pod, was.memory>>20, is.memory>>20)
		}
	}
}

// flood asks for n distinct selectors of external and custom metrics, and counts
// the answers by status code.
func flood(t *testing.T, n, parallel int) map[int]int {
	config := system.Cluster.RESTConfig()
	config.QPS = -1 // no limit of the client's own
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	count := map[int]int{}
	next := make(chan int)
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for i := range next {
				path := [...]string{
					externalPath + "/namespaces/default/reminder_queue_depth?labelSelector=queue%21%3D",
					customPath + "v1beta2/namespaces/default/pods/*/http_requests_per_second?labelSelector=app%21%3D",
					customPath + "v1beta2/namespaces/default/pods/*/http_requests_per_second?metricLabelSelector=method%21%3D",
				}[i%3] + strconv.Itoa(i)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				var code int
				body, err := client.Discovery().RESTClient().Get().RequestURI(path).Do(ctx).StatusCode(&code).Raw()
				cancel()
				said := message(body)
				clear := code == http.StatusOK || code == http.StatusNotFound ||
					code == http.StatusServiceUnavailable && strings.Contains(said, "evaluat") ||
					code == http.StatusForbidden && strings.Contains(said, "--max-wanted-per-namespace")
				if !clear {
					t.Errorf("%s: %d %.300s %v", path, code, said, err)
				}
				mu.Lock()
				count[code]++
				mu.Unlock()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	return count
}

var residentBytes = regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`)

type usage struct {
	memory   int // resident, in bytes
	restarts int32
}

// usages are the adapters' by pod, their memory as they say themselves.
func usages(t *testing.T) map[string]usage {
	t.Helper()
	out := map[string]usage{}
	for _, pod := range adapterPods(t) {
		code, body := directly(t, system.Cluster.RESTConfig(), pod, "/metrics")
		m := residentBytes.FindSubmatch(body)
		if code != http.StatusOK || m == nil {
			t.Fatalf("no memory in %d %.300s", code, body)
		}
		memory, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		out[pod.Name] = usage{int(memory), pod.Status.ContainerStatuses[0].RestartCount}
	}
	if len(out) != 2 {
		t.Fatalf("%d adapters are ready, want 2", len(out))
	}
	return out
}
