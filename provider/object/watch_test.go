package object_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	k8stesting "k8s.io/client-go/testing"

	"github.com/loadline/loadline/provider/object"
)

// counted makes the lists and watches of pods countable, and the watches the
// test's own.
type counted struct {
	lists   atomic.Int64
	watches chan *watch.FakeWatcher
}

func count(f *fixture) *counted {
	c := &counted{watches: make(chan *watch.FakeWatcher, 1000)}
	f.client.PrependReactor("list", "pods", func(k8stesting.Action) (bool, runtime.Object, error) {
		c.lists.Add(1)
		return false, nil, nil
	})
	f.client.PrependWatchReactor("pods", func(k8stesting.Action) (bool, watch.Interface, error) {
		w := watch.NewFake()
		c.watches <- w
		return true, w, nil
	})
	return c
}

func expired() runtime.Object { return &apierrors.NewResourceExpired("too old").ErrStatus }

// A pod that began to terminate while the watch was broken must not stay in the
// answers: after a watch that lasted, the next list comes without a pause.
func TestBrokenWatchIsReplacedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupFor(t, 5*time.Second, metadata("Pod", "a", "p", nil))
		c := count(f)
		if got, err := f.names(t.Context(), pods, ""); err != nil || !cmp.Equal(got, []string{"p"}) {
			t.Fatalf("%v, %v", got, err)
		}
		time.Sleep(time.Minute)
		ending := metadata("Pod", "a", "p", nil)
		ending.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
		if err := f.client.Tracker().Update(pods.WithVersion("v1"), ending, "a"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		(<-c.watches).Error(expired())
		synctest.Wait()
		if got, err := f.names(t.Context(), pods, ""); err != nil || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("after %s", took)
		}
	})
}

// What breaks again and again is not asked for in a hot loop.
func TestWatchThatBreaksAgainAndAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		breaks      func(*fixture, *counted)
		least, most int64 // lists in a minute
	}{
		"a watch that breaks at once": {func(f *fixture, c *counted) {
			f.client.PrependWatchReactor("pods", func(k8stesting.Action) (bool, watch.Interface, error) {
				w := watch.NewFakeWithChanSize(1, false)
				w.Error(expired())
				return true, w, nil
			})
		}, 8, 13}, // one each 5 s to 7.5 s
		"a watch that is refused": {func(f *fixture, c *counted) {
			f.client.PrependWatchReactor("pods", func(k8stesting.Action) (bool, watch.Interface, error) {
				return true, nil, apierrors.NewForbidden(pods, "", errors.New("rbac"))
			})
		}, 1, 4}, // each pause is twice the one before
		"a list that fails": {func(f *fixture, c *counted) {
			f.client.PrependReactor("list", "pods", func(k8stesting.Action) (bool, runtime.Object, error) {
				c.lists.Add(1)
				return true, nil, apierrors.NewInternalError(errors.New("etcd"))
			})
		}, 8, 13},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setupFor(t, 5*time.Second, metadata("Pod", "a", "p", nil))
				c := count(f)
				tc.breaks(f, c)
				_, _ = f.names(t.Context(), pods, "")
				time.Sleep(10 * time.Second)
				if n := c.lists.Load(); n < 4 || n > 8 {
					t.Errorf("%d lists in the first 10 s", n)
				}
				before := c.lists.Load()
				time.Sleep(time.Minute)
				if n := c.lists.Load() - before; n < tc.least || n > tc.most {
					t.Errorf("%d lists in a minute, want %d to %d", n, tc.least, tc.most)
				}
			})
		})
	}
}

func TestKindNobodyAsksForIsNotWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupFor(t, 5*time.Second, metadata("Pod", "a", "p", nil))
		c := count(f)
		for range 3 {
			if _, err := f.names(t.Context(), pods, ""); err != nil {
				t.Fatal(err)
			}
			time.Sleep(9 * time.Minute)
		}
		w := <-c.watches
		if w.IsStopped() || f.Held() != 1 || c.lists.Load() != 1 {
			t.Fatalf("asked for each 9 min: stopped %v, %d held, %d lists", w.IsStopped(), f.Held(), c.lists.Load())
		}
		time.Sleep(time.Minute) // 10 since it was asked for
		synctest.Wait()
		if !w.IsStopped() || f.Held() != 0 {
			t.Errorf("not asked for in 10 min: stopped %v, %d held", w.IsStopped(), f.Held())
		}
		if err := f.client.Tracker().Add(metadata("Pod", "a", "q", nil)); err != nil {
			t.Fatal(err)
		}
		if got, err := f.names(t.Context(), pods, ""); err != nil || !cmp.Equal(got, []string{"p", "q"}) {
			t.Errorf("asked for again: %v, %v", got, err)
		}
	})
}

// Readers that come in the moment in which a kind is given up get a right answer.
func TestAskingWhileAKindIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupFor(t, 5*time.Second, metadata("Pod", "a", "p", nil))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 200 {
					if got, err := f.names(t.Context(), pods, ""); err != nil || !cmp.Equal(got, []string{"p"}) {
						t.Errorf("%v, %v", got, err)
					}
					time.Sleep(object.IdleAfter)
				}
			})
		}
		wg.Wait()
	})
}
