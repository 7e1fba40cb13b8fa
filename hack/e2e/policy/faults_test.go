//go:build e2e

package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/controller"
	"github.com/loadline/loadline/policy/decide"
)

// Whatever an API server does to the controller's requests, a policy gets its HPA and
// its status when that is over, and neither is written again and again meanwhile. What
// the API server has against an HPA its policy's owner is told.
//
// The policies have their troubles at the same time: one in trouble holds up no other.
func TestP6Faults(t *testing.T) {
	alone(t)
	ns := namespace(t)
	troubles := faults()
	between := &troubled{of: map[string]func(int) trouble{}}
	for name, f := range troubles {
		between.of[name] = f.trouble
	}
	local(t, between.wrap, func(o *controller.Options) { o.CallTimeout = 2 * time.Second })
	create(t, newPolicy(ns, "warm"))
	built(t, ns, "warm")
	for name, f := range troubles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			create(t, newPolicy(ns, name))
			within(t, 90*time.Second, ns, name)
			ready(t, ns, name, decide.NotFound, 90*time.Second) // there are no targets
			if n := between.troubles(name); n < f.least {
				t.Errorf("the trouble came %d times, of which it takes %d", n, f.least)
			}
			hpa, status := between.written("/horizontalpodautoscalers/"+name), between.written("/"+name+"/status")
			t.Logf("%d writes of the HPA and %d of the status", hpa, status)
			if hpa > 10 || status > 10 {
				t.Errorf("%d writes of one HPA, %d of one status", hpa, status)
			}
		})
	}
	t.Run("rejecting", func(t *testing.T) {
		t.Parallel()
		rejecting(t, between)
	})
}

// fault is a trouble of the writes of one policy, and how often it comes at least.
type fault struct {
	trouble func(write int) trouble
	least   int
}

func faults() map[string]fault {
	// Four in a row, each of which is tried again.
	first := func(is trouble) func(int) trouble {
		return func(write int) trouble {
			if write == 0 || write > 4 {
				return trouble{}
			}
			return is
		}
	}
	return map[string]fault{
		"slow":        {func(int) trouble { return trouble{delay: 500 * time.Millisecond} }, 2}, // reads, too
		"hanging":     {first(trouble{delay: time.Minute}), 4},                                  // beyond the time of a call
		"conflicting": {first(trouble{answer: says(409, metav1.StatusReasonConflict, "the object has been modified")}), 4},
		"broken":      {first(trouble{answer: says(500, metav1.StatusReasonInternalError, "etcd is away")}), 4},
		"busy":        {first(trouble{answer: says(429, metav1.StatusReasonTooManyRequests, "later")}), 4},
		// It is done, though: the HPA's and the status', and then there is nothing to do.
		"forgetful": {first(trouble{lost: true}), 2},
	}
}

// rejecting has the API server refuse an HPA, until the reason for it goes away.
func rejecting(t *testing.T, between *troubled) {
	ns := namespace(t)
	quota := create(t, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "no-more"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/horizontalpodautoscalers.autoscaling": resource.MustParse("0")}},
	})
	system.Until(t, "the quota in force", 30*time.Second, func(ctx context.Context) (bool, string) {
		q := &corev1.ResourceQuota{}
		err := kube.Get(ctx, client.ObjectKeyFromObject(quota), q)
		return err == nil && len(q.Status.Hard) > 0, fmt.Sprint(err)
	})
	create(t, newPolicy(ns, "rejected"))
	ready(t, ns, "rejected", decide.ApplyRejected, soon)
	p, err := getPolicy(t.Context(), ns, "rejected")
	must(t, err)
	if c := condition(p, v1alpha1.Ready); !strings.Contains(c, "exceeded quota") {
		t.Errorf("not the API server's words: %s", c)
	}
	tried, told := between.written("/horizontalpodautoscalers/rejected"), between.written("/rejected/status")
	system.Never(t, 5*time.Second, func(context.Context) (bool, string) {
		n := between.written("/rejected/status") - told
		return n > 0, fmt.Sprintf("%d writes of a status that says the same", n)
	})
	// Later and later, from a second on.
	if n := between.written("/horizontalpodautoscalers/rejected") - tried; n < 1 || n > 4 {
		t.Errorf("the HPA was tried again %d times in 5 s", n)
	}
	must(t, kube.Delete(t.Context(), quota))
	within(t, 90*time.Second, ns, "rejected")
}
