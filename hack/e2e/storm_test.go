//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Test7HungStorm: while the source accepts and never answers, 15 reads a second ask
// for what nobody asked for before.
//   - Every answer comes within 2 s and is an error that says that the evaluation has
//     not finished or, once a query that began with the next one has met its deadline,
//     that the source did not answer; then it comes at once.
//   - Nobody ever reads a wrong value of what was evaluated before.
//   - All the while the process says that it is live and ready.
//   - When the source goes on, that value is there again within two intervals, and
//     so is one that nobody asked for before.
func Test7HungStorm(t *testing.T) {
	const (
		interval  = time.Second
		timeout   = 5 * time.Second // the default of --query-timeout
		known     = interval + timeout + 2*time.Second
		storm     = known + 5*time.Second
		perSecond = 15
		// A first read waits 1.5 s for its evaluation.
		atOnce = time.Second
	)
	source := startFaultySource(t)
	adapter := startStandalone(t, source.URL, "--evaluation-interval="+interval.String(), "--query-timeout="+timeout.String(), "--value-max-age=5s")
	system.Until(t, "the first value", 30*time.Second, func(context.Context) (bool, string) {
		code, body := adapter.read(t, "level")
		return isValue(code, body, "3"), body
	})

	released := make(chan struct{})
	hung := hang(released, vector("3"))
	source.set(hung, hung)
	began, waited, refused := time.Now(), 0, 0
	var (
		mu    sync.Mutex
		reads sync.WaitGroup
	)
	for i := 0; time.Since(began) < storm; i++ {
		at := time.Since(began)
		reads.Go(func() {
			code, body, took := adapter.get(t, unseenLevel(strconv.Itoa(i)))
			why := strings.Contains(body, "first evaluation has not finished") || strings.Contains(body, "did not answer in time")
			if code != http.StatusServiceUnavailable || !why {
				t.Errorf("%s after the source hung, a first read: %d %.300s", at, code, body)
			}
			if at > known && took > atOnce {
				t.Errorf("%s after the source hung, a first read waits for %s", at, took)
			}
			mu.Lock()
			defer mu.Unlock()
			if refused++; took > atOnce {
				waited++
			}
		})
		if i%5 == 0 {
			reads.Go(func() { probe(t, adapter, at) })
		}
		system.Pause(t, time.Second/perSecond)
	}
	reads.Wait()
	t.Logf("%d first reads refused, %d of them after a wait", refused, waited)

	close(released)
	for what, path := range map[string]string{"level": externalPath + "/namespaces/default/level", "a first read": unseenLevel("afterwards")} {
		system.Until(t, what+" after the hang", 2*interval+slack, func(context.Context) (bool, string) {
			code, body, _ := adapter.get(t, path)
			return isValue(code, body, "3"), body
		})
	}
}

// unseenLevel is a read of level that nobody asked for before.
func unseenLevel(nonce string) string {
	return externalPath + "/namespaces/default/level?labelSelector=unseen%21%3D" + nonce
}

// probe reads what tells whether an adapter is well, whose source hung so long ago.
func probe(t *testing.T, adapter *standalone, ago time.Duration) {
	for _, path := range []string{"/livez", "/readyz"} {
		if code, body, _ := adapter.get(t, path); code != http.StatusOK {
			t.Errorf("%s after the source hung, %s: %d %s", ago, path, code, body)
		}
	}
	code, body := adapter.read(t, "level")
	if code == http.StatusOK && !isValue(code, body, "3") {
		t.Errorf("%s after the source hung, a wrong number: %.300s", ago, body)
	}
}
