package cert

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/utils/clock"
)

// Everything here runs in bubbles of testing/synctest: the clock is the
// bubble's, and a goroutine that is left behind fails the test.

// run runs c until the test's end.
func run(t *testing.T, cs ...*Controller) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	for _, c := range cs {
		go func() { c.Run(ctx, 1); done <- struct{}{} }()
	}
	t.Cleanup(func() {
		cancel()
		for range cs {
			<-done
		}
	})
	synctest.Wait()
}

// pass lets time go by and everything come to rest.
func pass(d time.Duration) {
	time.Sleep(d) // the bubble's clock: no real waiting
	synctest.Wait()
}

func TestReplicasAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, apiService(custom), apiService(external))
		var logs [4]journal
		var cs []*Controller
		failed := make(chan error)
		for i := range logs {
			c := w.controller(&logs[i], custom, external)
			cs = append(cs, c)
			go func() { failed <- c.RunOnce(t.Context()) }()
		}
		writes := 0
		for i := range logs {
			if err := <-failed; err != nil {
				t.Error(err)
			}
			writes += logs[i].count("Wrote the serving certificate's Secret")
		}
		// More than one write would have left somebody with a lost certificate.
		if got := w.secret().ResourceVersion; got != "2" {
			t.Errorf("Secret at version %s, want 2: one write", got)
		}
		if diff := cmp.Diff(map[string]string{"kept": "yes"}, w.secret().Labels); diff != "" {
			t.Errorf("labels: %s", diff)
		}
		for _, c := range cs {
			if !c.serving.Load().Leaf.Equal(cs[0].serving.Load().Leaf) {
				t.Error("replicas serve different certificates")
			}
			w.trusts(c, custom, time.Now())
			w.trusts(c, external, time.Now())
			if p := c.Status().Problems; len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
		}
	})
}

// Of two writers the slower one gets a conflict and adopts the other's.
func TestLoserAdopts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, apiService(custom))
		var log journal
		winner, loser := w.controller(&log, custom), w.controller(&log, custom)
		loser.opts.Secrets = raced{loser.opts.Secrets, func() {
			if err := winner.RunOnce(t.Context()); err != nil {
				t.Error(err)
			}
		}}
		if err := loser.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !loser.serving.Load().Leaf.Equal(winner.serving.Load().Leaf) {
			t.Error("the loser serves its own certificate")
		}
		if got := log.count("Wrote the serving certificate's Secret"); got != 1 {
			t.Errorf("%d writes, want 1", got)
		}
	})
}

// recorder notes, for each change of the certificate, whether the published
// bundle accepts it at that moment.
type recorder struct {
	w *world
	c *Controller
	n int
}

func (r *recorder) Enqueue() {
	r.n++
	r.w.trusts(r.c, custom, time.Now())
}

// Two years pass, replicas renew and rotate, and at each change the CA has been
// published before.
func TestPublishedBeforeServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, apiService(custom))
		var log journal
		a, b := w.controller(&log, custom), w.controller(&log, custom)
		a.opts.Interval, b.opts.Interval = 24*time.Hour, 24*time.Hour
		b.opts.Policy.Jitter = 0.5
		ra, rb := &recorder{w: w, c: a}, &recorder{w: w, c: b}
		a.AddListener(ra)
		b.AddListener(rb)
		run(t, a, b)
		for range 2 * 365 {
			pass(day)
			w.trusts(a, custom, time.Now())
			w.trusts(b, custom, time.Now())
		}
		if ra.n < 30 || ra.n != rb.n {
			t.Errorf("%d and %d certificates in two years", ra.n, rb.n)
		}
		if got := log.count(`action="stage CA"`); got != 2 {
			t.Errorf("%d new CAs in two years, want 2", got)
		}
		if got := log.count(`action="replace CA and leaf"`); got != 1 {
			t.Errorf("replaced everything %d times, want once, at the start", got)
		}
	})
}

// A leaf of a new CA is held back while the CA cannot be published.
func TestHeldBackUntilPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, apiService(custom))
		var log journal
		c := w.controller(&log, custom)
		c.opts.Policy = Policy{CALifetime: 6 * time.Hour, LeafLifetime: 2 * time.Hour, Settle: time.Minute}
		run(t, c)
		before := c.serving.Load()
		w.setRefusal("patch apiservices", forbidden("apiservices", custom))
		pass(minWriteInterval)
		w.setSecret(nil)
		pass(time.Second)
		if c.serving.Load() != before {
			t.Fatal("serves a certificate whose CA is not published")
		}
		want := []string{
			`apiservice ` + custom + `: allow the adapter's ServiceAccount the verb "patch" on apiservices.apiregistration.k8s.io with resourceNames ["` + custom + `"] (deploy/base has the rule): apiservices "` + custom + `" is forbidden: no rule`,
			"a certificate of a new CA is held back until the CA is published",
		}
		if diff := cmp.Diff(want, c.Status().Problems); diff != "" {
			t.Error(diff)
		}
		w.setRefusal("patch apiservices", nil)
		pass(longestRetry)
		if c.serving.Load() == before {
			t.Fatal("still the old certificate")
		}
		w.trusts(c, custom, time.Now())
		if p := c.Status().Problems; len(p) > 0 {
			t.Errorf("problems: %v", p)
		}

		// An expired certificate is no reason to hold the next one back.
		before = c.serving.Load()
		w.setRefusal("patch apiservices", forbidden("apiservices", custom))
		w.setRefusal("get secrets", errors.New("away"))
		pass(3 * time.Hour)
		w.setSecret(nil)
		w.setRefusal("get secrets", nil)
		pass(longestRetry)
		if c.serving.Load() == before {
			t.Error("goes on with an expired certificate")
		}
	})
}

// Emptying the Secret replaces the CA in all replicas at once, by the watch.
func TestEmptiedSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, apiService(custom))
		var log journal
		a, b := w.controller(&log, custom), w.controller(&log, custom)
		run(t, a, b)
		pass(minWriteInterval)
		before := a.serving.Load()
		began := time.Now()
		w.setSecret(map[string][]byte{keyLeafCert: []byte("garbage")})
		synctest.Wait()
		if a.serving.Load().Leaf.Equal(before.Leaf) || !a.serving.Load().Leaf.Equal(b.serving.Load().Leaf) {
			t.Error("not replaced in both")
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v, so not by the watch", took)
		}
		bundle, err := parseCerts(w.apiService(custom).Spec.CABundle)
		if err != nil {
			t.Fatal(err)
		}
		if verifies(t, before.Leaf, bundle, time.Now()) == nil {
			t.Error("the thrown away CA is still trusted")
		}
		// Somebody who does it again and again cannot make us busy.
		written := log.count("Wrote the serving certificate's Secret")
		for range 10 {
			w.setSecret(nil)
			synctest.Wait()
		}
		if more := log.count("Wrote the serving certificate's Secret") - written; more > 1 {
			t.Errorf("written %d times more in no time", more)
		}
		if p := strings.Join(a.Status().Problems, "\n"); !strings.Contains(p, "find out who else writes to it") {
			t.Errorf("problems: %s", p)
		}
		pass(2 * longestRetry)
		if p := a.Status().Problems; len(p) > 0 {
			t.Errorf("problems: %v", p)
		}
	})
}

func TestAPIServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inherited := apiService(custom)
		inherited.Spec.InsecureSkipTLSVerify = true
		theirs := apiService(external)
		theirs.Spec.Service.Name = "keda"
		w := newWorld(t, inherited, theirs)
		var log journal
		c := w.controller(&log, custom, external, "later")
		run(t, c)

		w.trusts(c, custom, time.Now())
		if w.apiService(custom).Spec.InsecureSkipTLSVerify {
			t.Error("an unverified connection was left as it is")
		}
		if diff := cmp.Diff(theirs, w.apiService(external)); diff != "" {
			t.Errorf("another provider's APIService was touched: %s", diff)
		}
		want := Status{
			NotAfter: c.serving.Load().Leaf.NotAfter,
			Problems: []string{"apiservice later does not exist: apply it (deploy/base has it)"},
			Notes:    []string{"apiservice " + external + " points to ns/keda, not to ns/adapter: left alone"},
		}
		if diff := cmp.Diff(want, c.Status()); diff != "" {
			t.Error(diff)
		}

		if err := w.aggr.Tracker().Add(apiService("later")); err != nil {
			t.Fatal(err)
		}
		pass(longestRetry)
		w.trusts(c, "later", time.Now())

		// Somebody else writes another CA.
		w.setAPIService(custom, func(s *apiregistrationv1.APIService) { s.Spec.CABundle = []byte("other") })
		pass(time.Minute)
		w.trusts(c, custom, time.Now())
		if got := log.count("Repaired a caBundle"); got != 1 {
			t.Errorf("%d repairs in the log, want 1", got)
		}

		// It becomes ours, and somebody else's again.
		w.setAPIService(external, func(s *apiregistrationv1.APIService) { s.Spec.Service.Name = "adapter" })
		pass(time.Minute)
		w.trusts(c, external, time.Now())
		w.setAPIService(external, func(s *apiregistrationv1.APIService) { s.Spec.Service, s.Spec.CABundle = nil, nil })
		pass(time.Hour)
		if ca := w.apiService(external).Spec.CABundle; ca != nil {
			t.Error("a local APIService was given a CA")
		}
		if got := log.count("is somebody else's"); got != 2 {
			t.Errorf("said %d times whose it is, want once each time it changed: 2", got)
		}
	})
}

// What need not be there is no problem where it is not, or may not be read, and holds nothing
// back; where it is there it is kept right.
func TestOptional(t *testing.T) {
	for name, tc := range map[string]struct {
		there  bool
		refuse error
		want   Status
	}{
		"not there":       {},
		"there":           {there: true},
		"may not be read": {true, forbidden("apiservices", "ours"), Status{Notes: []string{"apiservice ours may not be read: left alone, which is right if it is not there"}}},
		"no answer":       {true, errors.New("connection refused"), Status{Problems: []string{"apiservice ours: get: connection refused"}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if tc.there {
					if err := w.aggr.Tracker().Add(apiService("ours")); err != nil {
						t.Fatal(err)
					}
				}
				w.setRefusal("get apiservices", tc.refuse)
				var log journal
				c := w.controller(&log)
				c.opts.Carriers = Optional(APIServices(w.aggr.ApiregistrationV1().APIServices(), "ns", "adapter", "ours")...)
				run(t, c)
				tc.want.NotAfter = c.serving.Load().Leaf.NotAfter
				if diff := cmp.Diff(tc.want, c.Status()); diff != "" {
					t.Error(diff)
				}
				if tc.there && tc.refuse == nil {
					w.trusts(c, "ours", time.Now())
				}
			})
		})
	}
}

// An optional carrier that may be read and not patched, or gives no answer, is reported, and
// does not hold back the CA that the others have. One that is needed does.
func TestOptionalHoldsNothingBack(t *testing.T) {
	refused := forbidden("apiservices", "ours")
	for name, tc := range map[string]struct {
		verb     string
		err      error
		optional bool
		problem  string
	}{
		"may not be patched": {"patch", refused, true,
			`apiservice ours: allow the adapter's ServiceAccount the verb "patch" on apiservices.apiregistration.k8s.io with resourceNames ["ours"] (deploy/base has the rule): ` + refused.Error()},
		"no answer": {"get", errors.New("connection refused"), true, "apiservice ours: get: connection refused"},
		"needed":    {"patch", refused, false, "a certificate of a new CA is held back until the CA is published"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, apiService(custom), apiService("ours"))
				w.aggr.PrependReactor(tc.verb, "apiservices", func(a clienttesting.Action) (bool, runtime.Object, error) {
					of, ok := a.(interface{ GetName() string })
					return ok && of.GetName() == "ours", nil, tc.err
				})
				var log journal
				c := w.controller(&log, custom)
				carriers := APIServices(w.aggr.ApiregistrationV1().APIServices(), "ns", "adapter", "ours")
				if tc.optional {
					carriers = Optional(carriers...)
				}
				c.opts.Carriers = append(c.opts.Carriers, carriers...)
				run(t, c)
				before := c.serving.Load().Leaf
				w.setSecret(nil)
				pass(time.Minute)
				if changed := !c.serving.Load().Leaf.Equal(before); changed != tc.optional {
					t.Errorf("another certificate: %t", changed)
				}
				if tc.optional {
					w.trusts(c, custom, time.Now())
				}
				if p := c.Status().Problems; !slices.Contains(p, tc.problem) {
					t.Errorf("problems: %q, want %q", p, tc.problem)
				}
			})
		})
	}
}

func TestStartFails(t *testing.T) {
	hung := errors.New("connection refused")
	tests := map[string]struct {
		break_ func(*world)
		want   string
	}{
		"unreachable": {func(w *world) { w.setRefusal("get secrets", hung) },
			`no serving certificate after 30s: secret ns/adapter-tls: get: connection refused`},
		"may not get": {func(w *world) { w.setRefusal("get secrets", forbidden("secrets", secretName)) },
			`no serving certificate after 30s: secret ns/adapter-tls: allow the adapter's ServiceAccount the verb "get" on secrets with resourceNames ["adapter-tls"] (deploy/base has the rule): secrets "adapter-tls" is forbidden: no rule`},
		"may not update": {func(w *world) { w.setRefusal("update secrets", forbidden("secrets", secretName)) },
			`no serving certificate after 30s: secret ns/adapter-tls: allow the adapter's ServiceAccount the verb "update" on secrets with resourceNames ["adapter-tls"] (deploy/base has the rule): secrets "adapter-tls" is forbidden: no rule`},
		"no Secret": {func(w *world) {
			if err := w.core.Tracker().Delete(secretsGVR, "ns", secretName, metav1.DeleteOptions{}); err != nil {
				w.t.Fatal(err)
			}
		}, `no serving certificate after 30s: secret ns/adapter-tls does not exist: create it empty (deploy/base has it); the adapter may not create Secrets: secrets "adapter-tls" not found`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, apiService(custom))
				tt.break_(w)
				var log journal
				c := w.controller(&log, custom)
				err := c.RunOnce(t.Context())
				if err == nil {
					t.Fatal("started")
				}
				if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
					t.Error(diff)
				}
				if certPEM, key := c.CurrentCertKeyContent(); certPEM != nil || key != nil {
					t.Error("has a certificate nevertheless")
				}
				if got := log.count("Serving certificate"); got != 1 {
					t.Errorf("%d lines in the log for one problem", got)
				}
			})
		})
	}
}

// A hung API server does not outlast the caller's deadline.
func TestStartIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var log journal
		c := w.controller(&log)
		c.opts.Secrets = hanging{c.opts.Secrets}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if err := c.RunOnce(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error: %v", err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// Rights that come later, and an outage, are got over without a restart.
func TestRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, apiService(custom))
		w.setRefusal("get secrets", forbidden("secrets", secretName))
		w.setRefusal("watch secrets", forbidden("secrets", secretName))
		w.setRefusal("get apiservices", forbidden("apiservices", custom))
		var log journal
		c := w.controller(&log, custom)
		run(t, c)
		pass(time.Hour)
		if c.serving.Load() != nil || !strings.HasPrefix(c.Status().String(), "no serving certificate yet\nsecret ns/adapter-tls: allow") {
			t.Errorf("status: %v", c.Status())
		}
		w.setRefusal("get secrets", nil)
		pass(longestRetry)
		if c.serving.Load() == nil {
			t.Fatalf("no certificate: %v", c.Status())
		}
		if p := strings.Join(c.Status().Problems, "\n"); !strings.Contains(p, `the verb "get" on apiservices`) {
			t.Errorf("problems: %s", p)
		}
		w.setRefusal("get apiservices", nil)
		pass(longestRetry)
		w.trusts(c, custom, time.Now())

		// Away for hours: what is served goes on, the trust too.
		w.setRefusal("get secrets", errors.New("away"))
		w.setAPIService(custom, func(s *apiregistrationv1.APIService) { s.Spec.CABundle = nil })
		pass(5 * time.Hour)
		w.trusts(c, custom, time.Now())
		w.setRefusal("get secrets", nil)
		pass(time.Minute)
		if p := c.Status().Problems; len(p) > 0 {
			t.Errorf("problems: %v", p)
		}
		if got := log.count("all is well again"); got != 2 {
			t.Errorf("said %d times that all is well again, want 2", got)
		}
	})
}

func TestNewChecksOptions(t *testing.T) {
	_, err := New(Options{Clock: clock.RealClock{}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"namespace: must be given", "secret: must be given", "service: must be given", "program: must be given", "interval and start timeout", "client and clock", "leaf lifetime"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}
