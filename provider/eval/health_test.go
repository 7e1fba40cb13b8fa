package eval_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/source"
)

func TestUp(t *testing.T) {
	timedOut := &source.Error{Kind: source.Timeout, Text: "no answer"}
	refuse := func(context.Context, string) (source.Answer, error) {
		return source.Answer{}, &source.Error{Kind: source.Rejected, Text: "no"}
	}
	for name, tc := range map[string]struct {
		done      bool
		discovery error
		wanted    int
		answer    func(context.Context, string) (source.Answer, error)
		want      string
	}{
		"nothing was asked":                         {want: "unknown"},
		"series were found, nothing is wanted":      {done: true, want: "up"},
		"no discovery got an answer":                {done: true, discovery: timedOut, want: "down"},
		"every discovery was refused":               {done: true, discovery: &source.Error{Kind: source.Rejected}, want: "up"},
		"an error that is not the source's":         {done: true, discovery: errors.New("x"), want: "up"},
		"queries are answered":                      {done: true, wanted: 2, want: "up"},
		"queries are refused":                       {done: true, wanted: 2, answer: refuse, want: "up"},
		"queries are not answered":                  {done: true, wanted: 2, answer: hang, want: "down"},
		"queries are answered, discovery is not":    {done: true, discovery: timedOut, wanted: 2, want: "up"},
		"queries are answered before any discovery": {wanted: 2, want: "up"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setupWith(t, func(o *eval.Options) {
					o.Discovered = func() (bool, error) { return tc.done, tc.discovery }
				})
				if _, known := f.Up(); known != tc.done {
					t.Errorf("before the first evaluation: known is %v", known)
				}
				f.source.set(tc.answer)
				f.want(t, queues(tc.wanted)...)
				f.run(t)
				time.Sleep(timeout)
				synctest.Wait()
				got := "unknown"
				if up, known := f.Up(); up && known {
					got = "up"
				} else if known {
					got = "down"
				} else if up {
					t.Error("up and not known")
				}
				if got != tc.want {
					t.Errorf("got %s, want %s", got, tc.want)
				}
			})
		})
	}
}

// A step of the wall clock must not look like silence.
func TestBeatKeepsTheMonotonicClock(t *testing.T) {
	began := time.Now()
	beat := eval.New(eval.Options{Concurrency: 1, Now: time.Now}).Beat()
	if !strings.Contains(beat.String(), " m=") || beat.Before(began) {
		t.Errorf("%s has no reading of the monotonic clock", beat)
	}
}
