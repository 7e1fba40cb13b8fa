package lab

import (
	"context"
	"errors"
	"testing"
)

// The end of the node is told if nobody asked for it.
func TestTellEnd(t *testing.T) {
	why := errors.New("no such address")
	for name, tc := range map[string]struct {
		asked bool
		want  string
	}{
		"unasked": {false, "the node ended: no such address, see node.log"},
		"asked":   {true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			failed := make(chan error, 1)
			err := tellEnd(ctx, func(context.Context) error {
				if tc.asked {
					cancel()
				}
				return why
			}, "node.log", failed)
			if !errors.Is(err, why) {
				t.Errorf("returns %v", err)
			}
			got := ""
			select {
			case err := <-failed:
				got = err.Error()
			default:
			}
			if got != tc.want {
				t.Errorf("tells %q, want %q", got, tc.want)
			}
		})
	}
}
