//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

// What the bounds of Test4 are made of.
const (
	// scrapeTime is when a target that Prometheus knows has been scraped for sure,
	// its timeout of 1 s included.
	scrapeTime = lab.ScrapeInterval + time.Second
	// discovered is when a new Prometheus knows its targets: its discovery and its
	// scrape manager each look every 5 s whether something has changed.
	discovered = 10 * time.Second
	// heldBack is how long an answer after an outage that is lower than before is
	// held back at most: the query's window, and 30 s at least.
	heldBack = max(30*time.Second, lab.RateWindow)
	// slack is for a machine that does other things, too.
	slack = 3 * time.Second
)

// Test4SourceAway: Prometheus hangs (it accepts and never answers), and later is
// stopped, with three HPAs at sizes above their minimum. Each time,
//   - from before the fault until a stabilization window and two syncs after the
//     time at which every value has to be back, nothing changes spec.replicas of what
//     the HPAs scale, though the rates of the first answers afterwards are too low;
//   - the last values are served for --value-max-age, then for four HPA syncs every
//     HPA says in its condition that they are too old and what Prometheus did;
//   - all this time every answer comes within 2 s, of metrics that are evaluated
//     and of such that nobody asked for before, and no answer has a depth that the
//     queue never had;
//   - a reminder created during the outage is in the depth two evaluation intervals
//     after the first scrape, and rates of after the outage are answered two
//     intervals after they may be trusted (see heldBack).
func Test4SourceAway(t *testing.T) {
	busy(t)
	t.Run("hung", func(t *testing.T) {
		pod := prometheusPod(t)
		t.Cleanup(func() { signalPrometheus(t, pod, syscall.SIGCONT) })
		sourceAway(t, 35, fault{
			begin:  func() { signalPrometheus(t, pod, syscall.SIGSTOP) },
			end:    func() { signalPrometheus(t, pod, syscall.SIGCONT) },
			cause:  "did not answer in time",
			scrape: scrapeTime,
			held:   heldBack,
		})
	})

	t.Run("stopped", func(t *testing.T) {
		t.Cleanup(func() { scalePrometheus(t, 1) })
		sourceAway(t, 36, fault{
			begin: func() { scalePrometheus(t, 0) },
			end: func() {
				scalePrometheus(t, 1)
				ctx, cancel := system.Waiting(t)
				defer cancel()
				if err := system.Available(ctx, lab.MonitoringNamespace, "prometheus", time.Minute); err != nil {
					t.Fatal(err)
				}
			},
			cause:  "source unavailable",
			scrape: discovered + scrapeTime,
			held:   heldBack,
		})
	})
	calm(t)
}

// Test4HungInFront is Test4SourceAway with a Prometheus that goes on, behind something
// that hangs. The load falls during the outage, so that every rate does, by less than
// would change the number of pods. As Prometheus lost nothing, all values are those of
// now two evaluation intervals after the end.
func Test4HungInFront(t *testing.T) {
	between := startFront(t)
	ctx, cancel := system.Waiting(t)
	defer cancel()
	t.Cleanup(func() {
		if err := startAdapter(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := startAdapterWith(ctx, "--prometheus-url="+between.URL); err != nil {
		t.Fatal(err)
	}
	web := busy(t)
	sourceAway(t, 35, fault{
		begin: func() { between.hangs.Store(true); rate(t, web, 44) },
		end:   func() { between.hangs.Store(false) },
		cause: "did not answer in time",
		rates: 47_000, // between 44 and the 50 of before
	})
	calm(t)
}

// busy brings the HPAs to the sizes of busySizes: by load, which it returns, and by 35
// reminders that stay.
func busy(t *testing.T) *load.Driver {
	t.Helper()
	emptyQueue(t)
	workTime(t, time.Hour) // so that a depth stays as it is
	create(t, 35)
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, busyRate) // 3 pods at 17 a second; web passes every request on to the API
	return web
}

// calm lets the reminders of busy be worked off.
func calm(t *testing.T) {
	t.Helper()
	workTime(t, defaultWork)
	emptyQueue(t)
}

// busyRate is in requests a second.
const busyRate = 50

var busySizes = map[string]int32{"remindmeweb": 3, "remindmeapi": 3, "remindme-worker": 4}

// fault is something that happens to Prometheus.
type fault struct {
	begin, end func()        // end returns when Prometheus answers again
	cause      string        // in the HPAs' conditions
	scrape     time.Duration // from the end on, until a sample of each target is there
	held       time.Duration // how long a rate may be held back for being lower than before
	rates      int64         // sums of rates afterwards must be below, in milli-requests a second; 0 if not
}

// sourceAway checks one fault as Test4SourceAway says. depth is the queue's at the
// beginning; it is one more at the end.
func sourceAway(t *testing.T, depth int64, f fault) {
	t.Helper()
	for name, n := range busySizes {
		replicas(t, name, n, 2*time.Minute)
	}
	// The rates of new pods are too low at first. An outage that begins then keeps them.
	for _, app := range []string{"remindmeweb", "remindmeapi"} {
		system.Until(t, "full rates of "+app, lab.RateWindow+scrapeTime+lab.EvaluationInterval+slack, func(ctx context.Context) (bool, string) {
			sum, _, err := rates(ctx, app)
			return err == nil && sum > busyRate*940 && sum < busyRate*1060, fmt.Sprint(sum, err)
		})
	}
	sizes := follow(t)
	answers := readOn(t, depth, depth+1)
	began := time.Now()
	f.begin()
	create(t, 1)
	// The newest evaluation from before the fault may be an interval and a query old.
	system.Never(t, valueMaxAge-lab.EvaluationInterval-time.Second-time.Since(began), func(ctx context.Context) (bool, string) {
		_, _, problem := queueDepth(ctx)
		if problem == nil {
			_, problem = podMetrics(ctx, "remindmeweb")
		}
		return problem != nil, fmt.Sprintf("the last value is not served: %v", problem)
	})
	for name := range busySizes {
		condition(t, name, "False", valueMaxAge+2*hpaSync+slack, "--value-max-age", f.cause)
	}
	system.Never(t, 4*hpaSync, func(context.Context) (bool, string) {
		moved := sizes.since(t, began, "")
		return len(moved) > 0, fmt.Sprintf("moved while the source was away: %v", moved)
	})

	f.end()
	back := time.Now()
	system.Until(t, "the depth of now", f.scrape+2*lab.EvaluationInterval+slack, func(ctx context.Context) (bool, string) {
		got, evaluated, err := queueDepth(ctx)
		// The API's timestamps have whole seconds.
		return err == nil && got == depth+1 && !evaluated.Before(back.Truncate(time.Second)), fmt.Sprint(got, evaluated, err)
	})
	// Each of the two adapters holds back for itself, each metric for itself.
	wait := f.held
	if f.held > 0 {
		wait = max(f.held, f.scrape+lab.RateWindow)
	}
	recovered := back.Add(wait + 2*lab.EvaluationInterval + slack)
	for _, app := range []string{"remindmeweb", "remindmeapi"} {
		system.Until(t, "rates of now of "+app, time.Until(recovered), func(ctx context.Context) (bool, string) {
			sum, evaluated, err := rates(ctx, app)
			now := err == nil && !evaluated.Before(back.Truncate(time.Second)) && (f.rates == 0 || sum < f.rates)
			return now, fmt.Sprint(sum, evaluated, err)
		})
		t.Logf("that is %s after the source was back", time.Since(back).Round(100*time.Millisecond))
	}
	for name := range busySizes {
		condition(t, name, "True", time.Until(recovered)+2*hpaSync)
	}
	system.Never(t, time.Until(recovered)+downscale+2*hpaSync, func(context.Context) (bool, string) {
		moved := sizes.since(t, began, "")
		return len(moved) > 0, fmt.Sprintf("moved because the source had been away: %v", moved)
	})
	answers.check(t)
}

// condition waits until an HPA's ScalingActive has a status, and a message that
// holds the texts.
func condition(t *testing.T, name string, status string, limit time.Duration, texts ...string) {
	t.Helper()
	message := ""
	system.Until(t, "HPA "+name+" ScalingActive="+status, limit, func(ctx context.Context) (bool, string) {
		h, err := hpa(ctx, name)
		if err != nil {
			return false, err.Error()
		}
		for _, c := range h.Status.Conditions {
			if c.Type != autoscalingv2.ScalingActive || string(c.Status) != status {
				continue
			}
			message = c.Reason + ": " + c.Message
			for _, text := range texts {
				if !strings.Contains(message, text) {
					return false, message
				}
			}
			return true, ""
		}
		return false, describe(h)
	})
	t.Log(message)
}

// rates reads the rates of an app's pods: their sum in milli-requests a second, and
// when the oldest was evaluated.
func rates(ctx context.Context, app string) (sum int64, oldest time.Time, err error) {
	list, err := podList(ctx, app)
	if err != nil {
		return 0, time.Time{}, err
	}
	if len(list.Items) == 0 {
		return 0, time.Time{}, fmt.Errorf("an empty list")
	}
	oldest = list.Items[0].Timestamp.Time
	for _, item := range list.Items {
		sum += item.Value.MilliValue()
		if item.Timestamp.Time.Before(oldest) {
			oldest = item.Timestamp.Time
		}
	}
	return sum, oldest, nil
}

func prometheusPod(t *testing.T) string {
	t.Helper()
	pods, err := system.Client.CoreV1().Pods(lab.MonitoringNamespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=prometheus"})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("pods %d, err %v", len(pods.Items), err)
	}
	return pods.Items[0].Name
}

func signalPrometheus(t *testing.T, pod string, s syscall.Signal) {
	t.Helper()
	if err := system.Node.Kill(lab.MonitoringNamespace, pod, s); err != nil {
		t.Fatal(err)
	}
}

func scalePrometheus(t *testing.T, n int) {
	t.Helper()
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, n)
	ctx := context.WithoutCancel(t.Context()) // also in a cleanup
	if _, err := system.Client.AppsV1().Deployments(lab.MonitoringNamespace).Patch(ctx, "prometheus", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}
