package adapter

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var none tasks
		if err := none.Wait(time.Second); err != nil {
			t.Errorf("no tasks: %v", err)
		}
		var some tasks
		release := make(chan struct{})
		some.Go("quick", func() {})
		some.Go("slow", func() { time.Sleep(time.Second) })
		for range 2 {
			some.Go("stuck", func() { <-release })
		}
		some.Go("also stuck", func() {
			some.Go("begun by a task", func() { <-release })
			<-release
		})
		began := time.Now()
		const want = "stopped, but within 3s these did not end: also stuck, begun by a task, stuck"
		if err := some.Wait(3 * time.Second); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("waited for %s", waited)
		}
		close(release)
		if err := some.Wait(time.Second); err != nil {
			t.Errorf("after all have ended: %v", err)
		}
	})
}
