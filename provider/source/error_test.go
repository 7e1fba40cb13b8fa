package source

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKindOf(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"nil":              {nil, "ok"},
		"foreign":          {io.EOF, "unknown"},
		"wrapped":          {fmt.Errorf("rules[0]: %w", &Error{Kind: Rejected, Text: "x"}), "rejected"},
		"joined":           {errors.Join(io.EOF, &Error{Kind: Malformed}), "malformed"},
		"out of range":     {&Error{Kind: 99}, "unknown"},
		"timeout":          {&Error{Kind: Timeout}, "timeout"},
		"canceled":         {&Error{Kind: Canceled}, "canceled"},
		"unavailable":      {&Error{Kind: Unavailable}, "unavailable"},
		"incomplete":       {&Error{Kind: Incomplete}, "incomplete"},
		"oversized":        {&Error{Kind: Oversized}, "oversized"},
		"unusable":         {&Error{Kind: Unusable}, "unusable"},
		"explicit unknown": {&Error{Kind: Unknown}, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, KindOf(tc.err).String()); diff != "" {
				t.Errorf("kind (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	err := error(&Error{Kind: Unavailable, Text: "the connection broke", Err: io.ErrUnexpectedEOF})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v does not unwrap to its cause", err)
	}
	if diff := cmp.Diff("source unavailable: the connection broke", err.Error()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}
