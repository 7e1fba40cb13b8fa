package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// mode is one way of getting a network namespace.
type mode struct {
	name string
	attr func() *syscall.SysProcAttr
}

// modes lists what may work for a user, best first.
func modes(euid, egid int) []mode {
	user := mode{"user and network namespace", func() *syscall.SysProcAttr {
		return &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
			// Same ids inside as outside: files, HOME and "am I root" mean
			// what they meant. The capabilities over the new namespace would
			// be lost on exec, so the two that are needed are kept: to
			// prepare the network, and to listen on ports below 1024.
			UidMappings: []syscall.SysProcIDMap{{ContainerID: euid, HostID: euid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: egid, HostID: egid, Size: 1}},
			AmbientCaps: []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE},
		}
	}}
	if euid != 0 {
		return []mode{user}
	}
	// Root without CAP_SYS_ADMIN, as in most containers, may still be allowed
	// the second.
	return []mode{
		{"network namespace", func() *syscall.SysProcAttr {
			return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		}},
		user,
	}
}

// machine is the mode of Options.Machine.
func machine() mode {
	return mode{"network, mount and process namespace", func() *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	}}
}

// probe finds the first mode in which entry can prepare a namespace. It tries
// for real: a kernel may allow the namespace and refuse the preparation.
func probe(ctx context.Context, entry []string, modes []mode) (*mode, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var failed []error
	for _, m := range modes {
		var stderr bytes.Buffer
		cmd := exec.CommandContext(ctx, entry[0], entry[1:]...)
		cmd.SysProcAttr = m.attr()
		cmd.Stderr = &stderr
		err := cmd.Run()
		if err == nil {
			return &m, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failed = append(failed, fmt.Errorf("%s: %w%s", m.name, explain(err), after(stderr.String())))
	}
	return nil, errors.Join(failed...)
}

// explain adds what to look at to the errors a kernel gives for refusals.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("%w (see sysctl user.max_user_namespaces and user.max_net_namespaces)", err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w (see sysctl kernel.apparmor_restrict_unprivileged_userns and kernel.unprivileged_userns_clone, or the container's seccomp profile)", err)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w (the kernel is built without these namespaces)", err)
	}
	return err
}

func after(stderr string) string {
	if s := strings.TrimSpace(stderr); s != "" {
		return ": " + s
	}
	return ""
}
