package provider

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestPatience(t *testing.T) {
	type name struct{}
	key := name{}
	for name, c := range map[string]struct {
		request time.Duration // until the request itself ends; 0 never
		begun   time.Duration // until somebody begins to wait
		want    time.Duration // until the wait ends
		err     error
	}{
		"waits from the beginning":        {0, 0, 2 * time.Second, context.DeadlineExceeded},
		"waits later, not longer":         {0, time.Second, 2 * time.Second, context.DeadlineExceeded},
		"waits when it is over":           {0, 3 * time.Second, 3 * time.Second, context.DeadlineExceeded},
		"the request's own end is sooner": {time.Second, 0, time.Second, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(context.WithValue(t.Context(), key, "kept"))
				defer cancel()
				if c.request > 0 {
					time.AfterFunc(c.request, cancel)
				}
				p := newPatience(parent, 2*time.Second)
				defer p.end()
				began := time.Now()
				time.Sleep(c.begun)
				<-p.Done()
				if took := time.Since(began); took != c.want || p.Err() != c.err || p.Value(key) != "kept" {
					t.Errorf("ended after %s with %v, want %s and %v; value %v", took, p.Err(), c.want, c.err, p.Value(key))
				}
			})
		})
	}
	t.Run("ends what is made of it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPatience(t.Context(), time.Second)
			defer p.end()
			child, cancel := context.WithTimeout(p, time.Hour)
			defer cancel()
			began := time.Now()
			<-child.Done()
			if took := time.Since(began); took != time.Second || child.Err() != context.DeadlineExceeded {
				t.Errorf("after %s: %v", took, child.Err())
			}
		})
	})
	t.Run("ended", func(t *testing.T) {
		p := newPatience(t.Context(), time.Hour)
		p.end()
		p.end()
		if p.Err() != context.Canceled {
			t.Errorf("%v", p.Err())
		}
		started := newPatience(t.Context(), time.Hour)
		done := started.Done()
		started.end()
		<-done
	})
}
