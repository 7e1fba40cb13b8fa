package engine_test

import (
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/source/embedded/engine"
)

// numbered are so many series of a target.
func numbered(name string, from, to int) (lines []string) {
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf(`%s{i="%d"} %d`, name, i, i))
	}
	return lines
}

func (w *world) count(name string) int {
	w.t.Helper()
	return len(w.query(name))
}

func TestTheNewestTargetIsRefused(t *testing.T) {
	w := open(t, func(c *engine.Config) { c.MaxSeries = 10 })
	w.must("old", numbered("a", 0, 6)...)
	w.Add(5 * time.Second)
	err := w.scrape("new", everything, numbered("b", 0, 6)...)
	if !engine.Full(err) {
		t.Fatalf("a target beyond the ceiling: %v", err)
	}
	if n := w.count("b"); n != 0 {
		t.Errorf("of a target that is refused, %d series have values", n)
	}
	w.Add(5 * time.Second)
	w.must("old", numbered("a", 0, 6)...)
	if n := w.count("a"); n != 6 {
		t.Errorf("the target that was there has %d of its 6 series", n)
	}
	holding := w.Holding()
	want := []engine.Refusal{{Target: "new", Why: "there is no room for the series of another target: 10 series are held", At: w.Now().Add(-5 * time.Second)}}
	if diff := cmp.Diff(want, holding.Refused); diff != "" || holding.Series != 10 {
		t.Errorf("%d held; refused (-want +got):\n%s", holding.Series, diff)
	}

	// It grows: what it had goes on, and what is new is left out.
	w.Add(5 * time.Second)
	w.must("old", numbered("a", 0, 9)...)
	if n := w.count("a"); n != 6 {
		t.Errorf("a target that grows beyond the ceiling has %d series", n)
	}
	if refused := w.Holding().Refused; len(refused) != 2 {
		t.Errorf("refused are %v", refused)
	}
}

// What was refused is tried again with each scrape, and there is room again once what has
// ended is forgotten.
func TestRoomComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, func(c *engine.Config) { c.MaxSeries, c.Now = 10, time.Now })
		go w.Engine.Run(t.Context())
		w.Set(time.Now())
		w.must("old", numbered("a", 0, 8)...)
		if err := w.scrape("new", everything, numbered("b", 0, 8)...); !engine.Full(err) {
			t.Fatalf("a target beyond the ceiling: %v", err)
		}
		began := time.Now()
		for {
			time.Sleep(5 * time.Second) // old is scraped no more
			w.Set(time.Now())
			if err := w.scrape("new", everything, numbered("b", 0, 8)...); err == nil {
				break
			}
			if time.Since(began) > 30*time.Minute {
				t.Fatal("what has ended is never forgotten")
			}
		}
		time.Sleep(5 * time.Second)
		w.Set(time.Now())
		w.must("new", numbered("b", 0, 8)...)
		if n := w.count("b"); n != 8 {
			t.Errorf("%d of 8 series", n)
		}
		time.Sleep(3 * time.Minute)
		if refused := w.Holding().Refused; len(refused) != 0 {
			t.Errorf("what is scraped is refused: %v", refused)
		}
	})
}

func TestSeriesThatChangeAtEachScrape(t *testing.T) {
	w := open(t, func(c *engine.Config) { c.MaxSeries, c.MaxSeriesPerTarget = 1000, 20 })
	for i := range 30 {
		w.Add(5 * time.Second)
		_ = w.scrape("churns", everything, numbered("a", 5*i, 5*i+5)...)
		w.must("other", numbered("b", 0, 5)...)
	}
	holding := w.Holding()
	want := map[string]int{"churns": 20, "other": 5}
	if diff := cmp.Diff(want, holding.Targets); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
	if n := w.count("b"); n != 5 {
		t.Errorf("the other target has %d of its series", n)
	}
}

func TestOldSamplesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, func(c *engine.Config) { c.Now = time.Now })
		go w.Engine.Run(t.Context())
		for range 360 { // half an hour
			w.Set(time.Now())
			w.must("a", `a 1`, fmt.Sprintf(`b{at="%d"} 1`, time.Now().Unix()))
			time.Sleep(5 * time.Second)
		}
		w.Set(time.Now())
		// Ten minutes' retention, half a minute's slack, and as long until that is looked at;
		// a chunk of ten minutes goes as a whole.
		if held := w.Holding().Series; held < 120 || held > 260 {
			t.Errorf("%d series are held", held)
		}
		// The last is five seconds old, and the one of ten minutes ago is just outside.
		if got := w.query(`count_over_time(a[10m])`); len(got) != 1 || got[0] != "{} 119" {
			t.Errorf("of the ten minutes there is %v", got)
		}
	})
}

func TestTheClockIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		go w.Engine.Run(t.Context())
		w.must("a", `a 1`, `b 1`)
		w.Add(time.Hour)
		w.must("a", `a 2`)
		w.Add(-time.Hour)
		time.Sleep(time.Minute) // the engine's own clock, by which it looks
		w.Add(5 * time.Second)
		w.must("a", `b 3`, `a 4`)
		if diff := cmp.Diff([]string{`{__name__="a"} 4`, `{__name__="b"} 3`}, w.query(`{__name__=~"a|b"}`)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if held := w.Holding(); held.Series != 2 {
			t.Errorf("%d series are held", held.Series)
		}
	})
}

// A scrape loop keeps references of the head before.
func TestReferencesOfAnotherHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		go w.Engine.Run(t.Context())
		refs := w.append(nil, `a{x="1"} 1`, `a{x="2"} 2`)
		w.Add(-time.Hour)
		time.Sleep(time.Minute)
		again := w.append([]uint64{refs[1]}, `a{x="2"} 20`)
		w.append([]uint64{refs[0]}, `a{x="1"} 10`)
		if again[0] == refs[1] {
			t.Error("a reference is one of both heads")
		}
		if diff := cmp.Diff([]string{`{__name__="a", x="1"} 10`, `{__name__="a", x="2"} 20`}, w.query(`a`)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// A target that was away for long comes back with references of series that are forgotten.
func TestSeriesThatComeBackAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, func(c *engine.Config) { c.Now = time.Now })
		go w.Engine.Run(t.Context())
		w.Set(time.Now())
		refs := w.append(nil, `a{x="1"} 1`, `a{x="2"} 2`)
		time.Sleep(25 * time.Minute)
		if held := w.Holding().Series; held != 0 {
			t.Fatalf("%d series are held after 25 minutes", held)
		}
		w.Set(time.Now())
		w.append(refs[:1], `a{x="1"} 1`)
		if held := w.Holding().Series; held != 1 {
			t.Errorf("%d series are held, want the one that is there again", held)
		}
	})
}

func TestNothingIsLeftOnDisk(t *testing.T) {
	dir := t.TempDir()
	e, err := engine.Open(engine.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Engine: e, clock: &clock{now: time.Now()}, t: t}
	for range 500 {
		w.Add(time.Second)
		w.must("a", `a 1`)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); !os.IsNotExist(err) {
		t.Errorf("%v %v", entries, err)
	}
}
