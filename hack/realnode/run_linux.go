package realnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loadline/loadline/hack/netns"
	"github.com/loadline/loadline/hack/tempdir"
)

// What Run tells the process inside.
const (
	envState  = "LOADLINE_REALNODE_STATE"  // directory for all state
	envCgroup = "LOADLINE_REALNODE_CGROUP" // control group of all containers
)

// lockPath keeps it to one node at a time: two would share the machine's two cores, and
// one would take the other's control groups for abandoned.
const lockPath = "/run/lock/loadline-realnode"

// stopGrace is how long the command may take to stop the node. Its tests take 10 s at most
// and its seven servers a second or two; only where several of those hang would it be more,
// and what is killed then leaves no more behind than what ends by itself: its namespaces end,
// and Run removes the rest.
const stopGrace = 30 * time.Second

// RunOptions say what [Run] runs.
type RunOptions struct {
	// Entry is a command (program and first arguments) that calls [Enter] with the
	// arguments that follow.
	Entry []string
	// Command runs inside, and may call [Start].
	Command []string
	// Keep leaves the state directory in place, to read the logs.
	Keep bool
	// Log takes what a person should know.
	Log io.Writer
}

// Run runs a command where it can start a node, waits for it, and leaves nothing behind.
// It returns a [*netns.ExitError] if the command ended with anything but 0. Signals are
// the command's, see [netns.Run].
func Run(ctx context.Context, o RunOptions) (err error) {
	unlock, err := lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := sweepCgroups(); err != nil {
		return err
	}
	state, remove, err := stateDir(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	name := fmt.Sprintf("%s%d", cgroupPrefix, os.Getpid())
	if err := makeCgroups(name); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeCgroups(name)) }()
	return netns.Run(ctx, netns.Options{
		Entry:   o.Entry,
		Command: o.Command,
		Env:     append(os.Environ(), envState+"="+state, envCgroup+"=/"+name),
		Log:     o.Log,
		Machine: true,
		Grace:   stopGrace,
	})
}

func lock() (unlock func(), err error) {
	f, err := os.OpenFile(lockPath, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: another real node runs on this machine: %w", lockPath, err)
	}
	return func() { f.Close() }, nil
}

func stateDir(o RunOptions) (path string, remove func() error, err error) {
	if o.Keep {
		path, err = os.MkdirTemp("", "loadline-realnode-kept-")
		if err == nil {
			fmt.Fprintln(o.Log, "realnode: state is left in", path)
		}
		return path, func() error { return nil }, err
	}
	dir, err := tempdir.New(os.TempDir(), "loadline-realnode-")
	if err != nil {
		return "", nil, err
	}
	return dir.Path, dir.Remove, nil
}
