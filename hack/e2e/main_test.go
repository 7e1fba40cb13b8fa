//go:build e2e

// Package e2e watches the whole system do its job: a real HPA controller scales
// real processes on metrics that a real Prometheus scraped and our adapter
// serves. It runs in a namespace of hack/netns (make e2e).
package e2e

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/loadline/loadline/hack/e2e/suite"
	"github.com/loadline/loadline/hack/lab"
)

// The system under test at the pace of a test.
const (
	hpaSync     = 5 * time.Second
	downscale   = 15 * time.Second // stabilization window of Remind Me's HPAs
	valueMaxAge = 10 * time.Second // of the adapter
)

// system is what all tests share.
var system suite.Suite

func TestMain(m *testing.M) {
	os.Exit(system.Main(m, lab.Options{HPASyncPeriod: hpaSync, DownscaleStabilization: downscale},
		func(ctx context.Context) error { return system.StartPrometheus(ctx) },
		startAdapter,
		func(ctx context.Context) error { return system.StartRemindMe(ctx) },
	))
}
