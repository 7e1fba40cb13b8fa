package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/loadline/loadline/hack/netns"
)

func TestUntilFailed(t *testing.T) {
	node := errors.New("the node ended")
	for name, tc := range map[string]struct {
		end  func(stop func(), nodes chan<- error)
		want error
	}{
		"a part ends":    {func(_ func(), nodes chan<- error) { nodes <- node }, node},
		"it is asked to": {func(stop func(), _ chan<- error) { stop() }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			servers, nodes := make(chan error, 1), make(chan error, 1)
			running, done := untilFailed(ctx, servers, nodes)
			defer done()
			if running.Err() != nil {
				t.Fatal("ended before anything")
			}
			tc.end(stop, nodes)
			<-running.Done()
			if err := failure(running); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestSayKilled(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"killed":                    {&netns.ExitError{Code: 137}, "cluster: the process that runs the node and starts the servers was killed by signal 9\n"},
		"ended with its own words":  {&netns.ExitError{Code: 1}, ""},
		"never ran, an error of it": {errors.New("no namespace"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if sayKilled(tc.err, &out); out.String() != tc.want {
				t.Errorf("says %q, want %q", out.String(), tc.want)
			}
		})
	}
}

func TestNotUpNamesTheLogThatIsLeft(t *testing.T) {
	dir := runDir(t.TempDir())
	if err := notUp(dir); strings.Contains(err.Error(), dir.log()) {
		t.Errorf("without a log: %v", err)
	}
	if err := os.WriteFile(dir.log(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := notUp(dir); !strings.Contains(err.Error(), dir.log()) {
		t.Errorf("with a log: %v", err)
	}
}
