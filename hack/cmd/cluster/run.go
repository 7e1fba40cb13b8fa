package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/loadline/loadline/hack/build"
)

// runDir is where the cluster that was started by hand keeps what it is.
//
//	lock         held by the serving process for as long as it lives
//	state.json   written when the cluster is ready
//	serve.log    output of the serving process
//	cluster/     the cluster's state directory
type runDir string

// state tells how to use the running cluster.
type state struct {
	PID        int    `json:"pid"`    // of the process outside, which stops all when it gets SIGTERM
	Inside     int    `json:"inside"` // of the process in the namespace
	Isolated   bool   `json:"isolated"`
	URL        string `json:"url"`
	Kubeconfig string `json:"kubeconfig"`
	Kubectl    string `json:"kubectl"`
	KubeCache  string `json:"kubeCache"`
	Logs       string `json:"logs"`
}

func openRunDir() (runDir, error) {
	cache, err := build.CacheDir()
	if err != nil {
		return "", err
	}
	dir := runDir(filepath.Join(cache, "run"))
	return dir, os.MkdirAll(string(dir), 0o700)
}

func (d runDir) path(name string) string { return filepath.Join(string(d), name) }
func (d runDir) log() string             { return d.path("serve.log") }
func (d runDir) cluster() string         { return d.path("cluster") }

// lock takes the lock, which the kernel releases when this process ends, and
// with it tells everybody that no cluster is up. ok is false if another process
// has it.
func (d runDir) lock() (held *os.File, ok bool, err error) {
	f, err := os.OpenFile(d.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, true, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("lock %s: %w", f.Name(), err)
}

// busy tells whether a cluster is up, starting or stopping.
func (d runDir) busy() (bool, error) {
	f, ok, err := d.lock()
	if err != nil || !ok {
		return err == nil, err
	}
	return false, f.Close()
}

// clear removes what an earlier cluster left. Only the holder of the lock may.
func (d runDir) clear() error {
	return errors.Join(os.RemoveAll(d.cluster()), os.RemoveAll(d.path("state.json")))
}

// ready publishes the state, whole or not at all.
func (d runDir) ready(s state) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := d.path("state.json.new")
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, d.path("state.json"))
}

// read returns the state of a ready cluster; ok is false if there is none.
func (d runDir) read() (s state, ok bool, err error) {
	data, err := os.ReadFile(d.path("state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, false, nil
	}
	if err != nil {
		return state{}, false, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return state{}, false, fmt.Errorf("%s: %w", d.path("state.json"), err)
	}
	return s, true, nil
}
