package realnode

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Enter prepares the namespaces that this process is the first of, runs the command in
// them, and exits as it does: with that everything inside ends. It returns only if that
// failed. The command that [Run] is given as its Entry must call it; an empty command only
// proves that the preparation works.
func Enter(command []string) error {
	if err := prepareMounts(); err != nil {
		return fmt.Errorf("prepare the mount namespace: %w", err)
	}
	if err := prepareNetwork(); err != nil {
		return fmt.Errorf("prepare the network namespace: %w", err)
	}
	if len(command) == 0 {
		os.Exit(0)
	}
	return initProcess(command)
}

// prepareMounts hides from the machine what is mounted and written inside.
func prepareMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("keep mounts to this namespace: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// Paths that kubelet, containerd, CNI and iptables write to whatever they are told.
	for _, dir := range []string{"/run", "/var/lib", "/var/log"} {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	if err := os.MkdirAll("/run/lock", 0o755); err != nil {
		return err
	}
	return fixSettings()
}

// settings are those of the machine that the kubelet writes if they are not as it wants
// them.
var settings = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// fixSettings covers them by files that say what the kubelet wants, so that it finds
// nothing to change.
func fixSettings() error {
	for name, value := range settings {
		path := filepath.Join("/proc/sys", name)
		if _, err := os.Stat(path); err != nil {
			continue // not a kernel that has it
		}
		file := filepath.Join("/run/loadline-settings", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("cover %s: %w", path, err)
		}
	}
	return nil
}

// initProcess is the first process of its namespace: everybody whose parent has ended is
// its child, and it waits for all of them. Signals it leaves to the command, which is in
// the same group.
func initProcess(command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	// Not ignored: the command would inherit that.
	signal.Notify(make(chan os.Signal, 1))
	pid, err := syscall.ForkExec(path, command, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return fmt.Errorf("wait: %w", err)
		case ended == pid && status.Signaled():
			os.Exit(128 + int(status.Signal()))
		case ended == pid:
			os.Exit(status.ExitStatus())
		}
	}
}
