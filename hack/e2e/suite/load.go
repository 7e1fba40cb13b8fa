package suite

import (
	"context"
	"testing"

	"github.com/loadline/loadline/hack/load"
)

// Drive starts a load driver for the test's time, at no rate yet. what names it in the log.
func Drive(t *testing.T, what string, o load.Options) *load.Driver {
	t.Helper()
	d, err := load.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		t.Logf("load on %s: %+v", what, d.Stats())
	})
	return d
}
