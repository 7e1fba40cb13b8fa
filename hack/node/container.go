package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// launch is everything needed to start a container once.
type launch struct {
	command command
	target  target
	close   func() error // the log file, after the process has ended
}

// container keeps one container of a pod running.
type container struct {
	spec    corev1.Container
	policy  corev1.RestartPolicy
	grace   time.Duration // the pod's terminationGracePeriodSeconds
	pod     string        // NAMESPACE/NAME, for messages
	prepare func(context.Context) (launch, error)
	changed func() // the status has changed
	now     func() time.Time
	log     *slog.Logger

	mu     sync.Mutex
	status corev1.ContainerStatus
	proc   *process
}

// snapshot returns the container's status now.
func (c *container) snapshot() corev1.ContainerStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *c.status.DeepCopy()
}

func (c *container) update(change func(*corev1.ContainerStatus)) {
	c.mu.Lock()
	change(&c.status)
	c.mu.Unlock()
	c.changed()
}

func (c *container) setWaiting(reason, message string) {
	c.update(func(s *corev1.ContainerStatus) {
		if s.State.Terminated != nil {
			s.LastTerminationState = s.State
		}
		s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	})
}

// run starts the container, and again as its policy has it, until stop ends;
// kill ends the patience with a process that does not stop by itself. It
// returns the last exit code.
func (c *container) run(stop, kill context.Context) int32 {
	var delay backoff
	for {
		started := c.now()
		code, err := c.once(stop, kill)
		if stop.Err() != nil || err == nil && !restarts(c.policy, code) {
			return code
		}
		wait := delay.next(c.now().Sub(started))
		switch w := (*waiting)(nil); {
		case errors.As(err, &w):
			c.setWaiting(w.Reason, w.Message)
			wait = max(wait, backoffFirst)
		case err != nil:
			c.setWaiting("CreateContainerError", err.Error())
			wait = max(wait, backoffFirst)
		case wait > 0:
			c.setWaiting("CrashLoopBackOff", fmt.Sprintf("back-off %s restarting failed container=%s pod=%s", wait, c.spec.Name, c.pod))
		}
		if sleep(stop, wait) != nil {
			c.settle()
			return code
		}
	}
}

// settle ends a wait that will not be followed by a start.
func (c *container) settle() {
	c.update(func(s *corev1.ContainerStatus) {
		if s.LastTerminationState.Terminated != nil {
			s.State, s.LastTerminationState = s.LastTerminationState, corev1.ContainerState{}
		}
	})
}

func restarts(policy corev1.RestartPolicy, code int32) bool {
	switch policy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return code != 0
	}
	return true
}

// once runs the container from its start to its end. An error means that it
// could not be started.
func (c *container) once(stop, kill context.Context) (int32, error) {
	l, err := c.prepare(stop)
	if err != nil {
		return 0, err
	}
	p, err := startProcess(l.command)
	if err != nil {
		return 0, errors.Join(err, l.close())
	}
	started := metav1.NewTime(c.now())
	c.begin(p, l.command.Path, started)

	probing, endProbes := context.WithCancel(kill)
	sick := make(chan string, 1)
	var probes sync.WaitGroup
	probes.Go(func() { c.watch(probing, stop, &l.target, sick) })
	select {
	case <-p.done:
	case <-stop.Done():
		c.terminate(kill, p, &l.target, c.grace)
	case why := <-sick:
		c.log.Warn("container is killed", "pod", c.pod, "container", c.spec.Name, "why", why)
		limit, cancel := context.WithTimeout(kill, c.grace)
		c.terminate(limit, p, &l.target, c.grace)
		cancel()
	}
	endProbes()
	probes.Wait()
	c.end(p, started)
	return p.code, l.close()
}

// minimumTerm is what a process gets between SIGTERM and SIGKILL when the
// preStop hook took the whole grace period; the kubelet's constant.
const minimumTerm = 2 * time.Second

// terminate ends the process: preStop, SIGTERM, and SIGKILL when kill ends.
func (c *container) terminate(kill context.Context, p *process, t *target, grace time.Duration) {
	if c.spec.Lifecycle != nil && c.spec.Lifecycle.PreStop != nil {
		hook, cancel := context.WithCancel(kill)
		go func() { // a hook has no meaning for a process that is gone
			select {
			case <-p.done:
			case <-hook.Done():
			}
			cancel()
		}()
		if err := t.act(hook, c.spec.Lifecycle.PreStop); err != nil {
			c.log.Warn("preStop hook failed", "pod", c.pod, "container", c.spec.Name, "err", err)
		}
		cancel()
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		c.log.Debug("SIGTERM", "pod", c.pod, "container", c.spec.Name, "err", err)
	}
	patience := kill
	if kill.Err() != nil && grace > 0 {
		var cancel context.CancelFunc
		patience, cancel = context.WithTimeout(context.WithoutCancel(kill), min(minimumTerm, grace))
		defer cancel()
	}
	select {
	case <-p.done:
	case <-patience.Done():
		if err := p.signal(syscall.SIGKILL); err != nil {
			c.log.Debug("SIGKILL", "pod", c.pod, "container", c.spec.Name, "err", err)
		}
		<-p.done
	}
}

func (c *container) begin(p *process, image string, started metav1.Time) {
	c.mu.Lock()
	c.proc = p
	c.mu.Unlock()
	c.update(func(s *corev1.ContainerStatus) {
		if s.State.Terminated != nil {
			s.LastTerminationState = s.State
		}
		if s.ContainerID != "" {
			s.RestartCount++
		}
		up := c.spec.StartupProbe == nil
		s.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}
		s.ContainerID = fmt.Sprintf("process://%d-%d", p.pid, started.UnixMilli())
		s.ImageID = "file://" + image
		s.Started = &up
		s.Ready = up && c.spec.ReadinessProbe == nil
	})
}

func (c *container) end(p *process, started metav1.Time) {
	c.mu.Lock()
	c.proc = nil
	c.mu.Unlock()
	reason, down := "Completed", false
	if p.code != 0 {
		reason = "Error"
	}
	c.update(func(s *corev1.ContainerStatus) {
		s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: p.code, Signal: p.sig, Reason: reason,
			StartedAt: started, FinishedAt: metav1.NewTime(c.now()), ContainerID: s.ContainerID,
		}}
		s.Ready, s.Started = false, &down
	})
}

// signal sends s to the running process and reports whether there is one.
func (c *container) signal(s syscall.Signal) (bool, error) {
	c.mu.Lock()
	p := c.proc
	c.mu.Unlock()
	if p == nil {
		return false, nil
	}
	return true, p.signal(s)
}
