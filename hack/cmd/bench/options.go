package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/loadline/loadline/hack/bench"
	"github.com/loadline/loadline/hack/netns"
)

func options(args []string) (bench.Options, error) {
	o := bench.Options{Log: os.Stderr, Command: "make bench"}
	if len(args) > 0 {
		o.Command += fmt.Sprintf(" ARGS='%s'", strings.Join(args, " "))
	}
	fs := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	fs.IntVar(&o.HPAs, "hpas", 100, "HPAs, each with a workload.")
	fs.IntVar(&o.Pods, "pods", 10, "Pods of each workload.")
	fs.IntVar(&o.Turns, "turns", 40, "Turns of each path, back to back.")
	fs.DurationVar(&o.Turn, "turn", 500*time.Millisecond, "Length of a turn.")
	fs.IntVar(&o.Periods, "periods", 4, "Periods of 15 s at HPA pace.")
	fs.StringVar(&o.Profile, "profile", "", "File for a CPU profile of the adapter during direct reads.")
	fs.IntVar(&o.Wide, "wide", 0, "Measure the discovery of a rule that matches so many series instead, with a Prometheus that holds them.")
	fs.BoolVar(&o.Child, bench.ChildFlag, false, "")
	fs.StringVar(&o.URL, "url", "", "")
	_, _ = fs.MarkHidden(bench.ChildFlag), fs.MarkHidden("url")
	fs.BoolVar(&o.Keep, "keep", false, "Leave the state directory, to read the logs.")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if o.Child || o.Wide > 0 {
		return o, nil
	}
	for name, n := range map[string]int{"hpas": o.HPAs, "pods": o.Pods, "turns": o.Turns, "periods": o.Periods} {
		if n < 1 {
			return o, fmt.Errorf("--%s=%d: must be at least 1", name, n)
		}
	}
	if total := o.HPAs * o.Pods; total > 30_000 {
		return o, fmt.Errorf("%d pods: the range of the fake pods holds 30000", total)
	}
	if !netns.Isolated() {
		return o, errors.New("needs a network namespace in which pod addresses are local: make bench, or bin/cluster exec -- bin/bench")
	}
	root := os.Getenv("LOADLINE_ROOT")
	if root == "" {
		root = "."
	}
	var err error
	o.Root, err = filepath.Abs(root)
	return o, err
}
