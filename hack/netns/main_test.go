package netns

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOutcome(t *testing.T) {
	type result struct {
		Code int
		Says string
	}
	boom, canceled := errors.New("boom"), fmt.Errorf("build: %w", context.Canceled)
	for name, tc := range map[string]struct {
		err      error
		signaled bool
		want     result
	}{
		"success":                             {nil, false, result{0, ""}},
		"success although a signal came":      {nil, true, result{0, ""}},
		"the command's own code":              {&ExitError{Code: 7}, false, result{7, ""}},
		"the command's own, after a signal":   {&ExitError{Code: 1}, true, result{1, ""}},
		"the command's, and nothing else":     {errors.Join(&ExitError{Code: 7}, nil), false, result{7, ""}},
		"the command's, and of cleaning up":   {errors.Join(&ExitError{Code: 7}, boom), false, result{7, "exit status 7\nboom"}},
		"interrupted before the command ran":  {canceled, true, result{130, "interrupted"}},
		"canceled, but not by a signal":       {canceled, false, result{1, "build: context canceled"}},
		"another failure, also after signals": {boom, true, result{1, "boom"}},
		"failure":                             {boom, false, result{1, "boom"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, says := outcome(tc.err, tc.signaled)
			if diff := cmp.Diff(tc.want, result{code, says}); diff != "" {
				t.Error(diff)
			}
		})
	}
}
