package arithmetic

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"

	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/featuregate"
	"k8s.io/kubernetes/pkg/features"
)

var (
	seeds = flag.Int("seeds", 0, "how many random states a test compares; 0 is as many as it takes by itself")
	seed  = flag.Uint64("seed", 0, "the first seed")
)

func TestMain(m *testing.M) {
	flag.Parse()
	// What it logs of metrics that are missing on purpose is no news, and after an error it
	// sleeps, which moves the clock.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	utilruntime.ErrorHandlers = nil
	os.Exit(m.Run())
}

// TestGates: what is compared is the arithmetic with the features that 1.37 has by default.
func TestGates(t *testing.T) {
	for _, gate := range []featuregate.Feature{features.HPAScaleToZero, features.HPAGeneration, features.HPAConfigurableTolerance, features.PodLevelResources} {
		if !utilfeature.DefaultFeatureGate.Enabled(gate) {
			t.Errorf("%s is off", gate)
		}
	}
}

// each runs check with the random numbers of each seed, in a bubble whose clock stands while
// anything computes. The first seeds that fail are named.
func each(t *testing.T, n int, check func(t *testing.T, r *rand.Rand)) {
	if *seeds > 0 {
		n = *seeds
	}
	failed := 0
	for i := range uint64(n) {
		at := *seed + i
		ok := t.Run(fmt.Sprint("seed ", at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				check(t, rand.New(rand.NewPCG(at, 0)))
			})
			if t.Failed() {
				t.Logf("again: go test -run '^%s$' -seed %d -seeds 1", t.Name()[:len(t.Name())-len(fmt.Sprint("/seed_", at))], at)
			}
		})
		if !ok {
			if failed++; failed == 5 {
				t.Fatal("five seeds failed; the rest is not run")
			}
		}
	}
}
