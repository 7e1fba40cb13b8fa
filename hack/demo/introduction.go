package demo

import (
	"cmp"
	"fmt"
	"time"

	"github.com/loadline/loadline/hack/lab"
)

// defaultSync is kube-controller-manager's own.
const defaultSync = 15 * time.Second

// defaultDownscale is the window that the HPAs of Remind Me's policies state.
const defaultDownscale = 5 * time.Minute

// introduction says what there is to see, to somebody who sees it for the first
// time.
func introduction(o Options) string {
	down := "5m0s, as the HPAs say"
	if o.Downscale > 0 {
		down = fmt.Sprintf("%s here, not the HPAs' own 5 minutes", o.Downscale)
	}
	runs, path := "the adapter", fmt.Sprintf("pods → adapter (every %s)", lab.ScrapeInterval)
	if o.Source != lab.Embedded {
		runs, path = "Prometheus, the adapter", fmt.Sprintf("pods → Prometheus (every %s) → adapter (every %s)", lab.ScrapeInterval, lab.EvaluationInterval)
	}
	return fmt.Sprintf(`What runs is real: Kubernetes' control plane with its HPA controller, %s, loadline-policy, and Remind Me:
  load → remindmeweb → remindmeapi → queue ← remindme-worker
  An AutoscalingPolicy makes the HPA of each. remindmeweb and remindmeapi scale on requests per second and pod,
  remindme-worker on the reminders that wait. Each has 2 to 6 replicas.
  Metrics go: %s → HPA controller (every %s).
The load goes up and down again. A step waits for the next look of the HPA controller; before it scales down
the value must have been low for a while (%s).
Then the queue's metric goes away until remindme-worker's policy has fallen back (after %s), while a schedule raises
the minimum of remindmeweb for a minute. About %s in all.
`, runs, path, cmp.Or(o.HPASyncPeriod, defaultSync), down, fallsBackAfter, minutes(About(o.HPASyncPeriod, o.Downscale)))
}

func minutes(d time.Duration) string {
	if d <= time.Minute {
		return "1 minute"
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}
