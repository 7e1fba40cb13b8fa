package netns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Enter prepares the namespace this process was started in and replaces the
// process by the command. It returns only if that failed. The command that
// [Run] is given as its Entry must call it; an empty command only proves that
// the preparation works.
func Enter(command []string) error {
	if err := setup(); err != nil {
		return fmt.Errorf("prepare the network namespace: %w", err)
	}
	if len(command) == 0 {
		os.Exit(0)
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	if err := dieWithParent(); err != nil {
		return err
	}
	return fmt.Errorf("exec %s: %w", path, unix.Exec(path, command, os.Environ()))
}

// dieWithParent asks once more for SIGKILL at the parent's end. Run has asked for
// it, but the kernel keeps the wish with a thread: a process goes on after exec
// as the thread that called it, which need not be the first.
func dieWithParent() error {
	parent := os.Getppid()
	runtime.LockOSThread() // to be the thread that calls exec
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("die with the parent: %w", err)
	}
	if os.Getppid() != parent { // it ended before it was asked for
		return errors.New("the parent process is gone")
	}
	return nil
}

// setup brings loopback up and makes the cluster's ranges local to it.
func setup() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	for _, cidr := range []string{PodCIDR, ServiceCIDR} {
		_, dst, err := net.ParseCIDR(cidr)
		if err != nil {
			return err
		}
		route := &netlink.Route{
			LinkIndex: lo.Attrs().Index,
			Dst:       dst,
			Type:      unix.RTN_LOCAL,
			Table:     unix.RT_TABLE_LOCAL,
			Scope:     netlink.SCOPE_HOST,
		}
		if err := netlink.RouteReplace(route); err != nil {
			return fmt.Errorf("make %s local: %w", cidr, err)
		}
	}
	return nil
}
