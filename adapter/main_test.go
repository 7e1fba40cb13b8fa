package adapter

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain finds goroutines that outlive Run, except those that have no end but the
// process's: the flushing of klog, which apiserver's health check "log" starts, and
// the queues of parts that were made but not yet run when a start was broken off.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("k8s.io/apimachinery/pkg/util/wait.Forever"),
		goleak.IgnoreTopFunction("k8s.io/client-go/util/workqueue.(*delayingType[...]).waitingLoop"),
		goleak.IgnoreTopFunction("k8s.io/client-go/util/workqueue.(*Typed[...]).updateUnfinishedWorkLoop"),
	)
}
