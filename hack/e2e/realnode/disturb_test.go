//go:build e2e

package realnode

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
	"github.com/loadline/loadline/hack/realnode"
)

const adapter, policies = lab.AdapterDeployment, lab.PolicyDeployment

// after is how long the reads go on when a disturbance is over: kube-proxy, the endpoints
// and kube-apiserver's view of the APIs follow within seconds.
const after = 10 * time.Second

// deletedPod: no read fails while a replica of the adapter is deleted and replaced.
func deletedPod(t *testing.T) {
	victim := readyPods(t, adapterNamespace, adapter, 2)[0]
	r, began := everyone(t), time.Now()
	pause(t, 2*time.Second)
	kubectl(t, "-n", adapterNamespace, "delete", "pod", victim.Name, "--wait=false")
	pause(t, time.Second)
	readyPods(t, adapterNamespace, adapter, 2)
	pause(t, after)
	r.none(t, "an adapter pod was deleted", began)
}

// drained: no read fails while kubectl drain evicts the adapter's pods. It evicts as the
// PodDisruptionBudget lets it: the second waits for the first one's successor, for which
// the only node is made schedulable again.
func drained(t *testing.T) {
	before := readyPods(t, adapterNamespace, adapter, 2)
	r, began := everyone(t), time.Now()
	pause(t, 2*time.Second)
	t.Cleanup(func() {
		_, _ = node.Kubectl(context.WithoutCancel(t.Context()), "uncordon", realnode.NodeName).CombinedOutput()
	})
	type result struct {
		out string
		err error
	}
	done := make(chan result, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		out, err := node.Kubectl(ctx, "drain", realnode.NodeName, "--pod-selector=app.kubernetes.io/name="+adapter, "--delete-emptydir-data", "--ignore-daemonsets").CombinedOutput()
		done <- result{string(out), err}
	}()
	until(t, "one pod is evicted", time.Minute, func(ctx context.Context) (bool, string) {
		left, err := pods(ctx, adapterNamespace, adapter)
		if err != nil {
			return false, err.Error()
		}
		n := 0
		for _, p := range left {
			if slices.ContainsFunc(before, func(b corev1.Pod) bool { return b.UID == p.UID }) {
				n++
			}
		}
		if n == 0 {
			t.Fatal("both are evicted at once, against the PodDisruptionBudget")
		}
		return n == 1, fmt.Sprintf("%d of the old pods", n)
	})
	kubectl(t, "uncordon", realnode.NodeName)
	select {
	case got := <-done:
		t.Logf("kubectl drain:\n%s", got.out)
		if got.err != nil {
			t.Fatal(got.err)
		}
	case <-time.After(3 * time.Minute):
		t.Fatal("kubectl drain does not end")
	}
	for _, p := range readyPods(t, adapterNamespace, adapter, 2) {
		if slices.ContainsFunc(before, func(b corev1.Pod) bool { return b.UID == p.UID }) {
			t.Errorf("%s was not evicted", p.Name)
		}
	}
	pause(t, after)
	r.none(t, "the node was drained", began)
}

// upgraded: no read fails while the documented upgrade rolls both programs to a new version.
// That is the release's, of which all goes on from here.
func upgraded(t *testing.T) {
	version := released(t)
	r, began := everyone(t), time.Now()
	pause(t, 2*time.Second)
	helm(t, "upgrade", "loadline", root+"/deploy/chart", "--namespace", adapterNamespace, "--reset-then-reuse-values", "--rollback-on-failure",
		"--set", "adapter.image.tag="+version, "--set", "policy.image.tag="+version)
	for _, program := range []string{adapter, policies} {
		for _, p := range readyPods(t, adapterNamespace, program, 2) {
			if got, want := p.Spec.Containers[0].Image, program+":"+version; got != want {
				t.Errorf("%s is %s, want %s", p.Name, got, want)
			}
		}
	}
	pause(t, after)
	r.none(t, "the adapter was rolled to a new version", began)
}

// released gives the node the images that make release has made, and returns their version.
func released(t *testing.T) string {
	t.Helper()
	suffix := "_linux_" + runtime.GOARCH + ".image.tar"
	archives, err := filepath.Glob(filepath.Join(root, "bin", "release", "*"+suffix))
	if err != nil || len(archives) != 2 {
		t.Fatalf("bin/release has the images %v, %v; want two: make e2e-node", archives, err)
	}
	versions := map[string]string{}
	for _, archive := range archives {
		program, version, _ := strings.Cut(strings.TrimSuffix(filepath.Base(archive), suffix), "_")
		versions[program] = version
		if err := node.Import(t.Context(), archive); err != nil {
			t.Fatal(err)
		}
	}
	version := versions[adapter]
	if version == "" || versions[policies] != version {
		t.Fatalf("bin/release has images of %v", versions)
	}
	return version
}

// undelayed is what deletedPod would see if replicas ended as soon as they are told to:
// within a few deletions a read fails that kube-proxy sends to one that is gone. Without this
// nobody would know that the other steps can fail.
func undelayed(t *testing.T) {
	const deletions = 6
	setArgs(t, `"--shutdown-delay-duration=0s"`)
	defer setArgs(t, "")
	for n := range deletions {
		victim := readyPods(t, adapterNamespace, adapter, 2)[0]
		r, began := connecting(t, 50), time.Now()
		kubectl(t, "-n", adapterNamespace, "delete", "pod", victim.Name, "--wait=false")
		pause(t, time.Second)
		readyPods(t, adapterNamespace, adapter, 2)
		sent, failures := r.end()
		t.Logf("%d of %d reads over new connections failed without a delay\n%s", len(failures), sent, told(failures, began))
		if len(failures) > 0 {
			return
		}
		t.Logf("deletion %d of %d has harmed nobody", n+1, deletions)
	}
	t.Errorf("no read failed although replicas ended at once, %d times: reads show nothing of a replica's end", deletions)
}

// killed: a replica that ends without a word may take reads with it. They are counted; they
// are over within five seconds, and no HPA wants another size because of them for a moment.
// The HPAs have load, so that there is something to lose: at the minimum none could fall.
// Both are killed, one after the other, for kube-apiserver may be connected to one of them
// only.
func killed(t *testing.T, web *traffic) {
	// At 20 requests a second each 66 are 4 pods of the page, from 60 to 88. Each of them asks
	// the API, whose 96 with those that create reminders are 5 pods, from 80 to 110. Six
	// workers, the most there may be, do no more than 30 reminders a second, so the queue
	// keeps the length at which it wanted them.
	web.rate(t, 66)
	reminders := send(t, "remindmeapi-service", load.CreateReminders("killed"))
	reminders.rate(t, 30)
	sizes := system.Steady(t, remindMe, 6*hpaSync, 5*time.Minute)
	if len(sizes) != 3 {
		t.Fatalf("HPAs want %v, want Remind Me's 3", sizes)
	}
	began := time.Now()
	kept := system.KeepSizes(t, remindMe, sizes)
	for _, victim := range readyPods(t, adapterNamespace, adapter, 2) {
		killedOne(t, &victim)
	}
	t.Logf("HPAs wanted %v in %d states seen in %s", sizes, kept(), time.Since(began).Round(time.Second))
	web.rate(t, 10)
	reminders.rate(t, 0)
	sized(t, "remindmeweb", 2, 2, 5*time.Minute)
	sized(t, "remindme-worker", 2, 2, 5*time.Minute)
}

func killedOne(t *testing.T, victim *corev1.Pod) {
	r := reading(t)
	pause(t, 2*time.Second)
	at := time.Now()
	kill(t, victim)
	until(t, victim.Name+" is started again", time.Minute, func(ctx context.Context) (bool, string) {
		p, err := node.Client.CoreV1().Pods(adapterNamespace).Get(ctx, victim.Name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return isReady(p) && p.Status.ContainerStatuses[0].RestartCount > victim.Status.ContainerStatuses[0].RestartCount, fmt.Sprint(p.Status.ContainerStatuses)
	})
	pause(t, max(after, 3*hpaSync))
	sent, failures := r.end()
	last := time.Duration(0)
	for _, f := range failures {
		last = max(last, f.at.Add(f.took).Sub(at))
	}
	t.Logf("SIGKILL of %s: %d of %d reads failed, the last of them %s after it\n%s", victim.Name, len(failures), sent, last.Round(10*time.Millisecond), told(failures, at))
	if last > 5*time.Second {
		t.Errorf("reads fail for %s after the end of a replica, want no more than 5 s", last)
	}
}

// leaderKilled: when the policy controller that leads ends without a word, and its container
// stays away, the other one takes over within the Lease's duration and two looks at it.
func leaderKilled(t *testing.T) {
	lease := func(ctx context.Context) (*coordinationv1.Lease, error) {
		return node.Client.CoordinationV1().Leases(adapterNamespace).Get(ctx, policies, metav1.GetOptions{})
	}
	before, err := lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	holder := ptr.Deref(before.Spec.HolderIdentity, "")
	var leader, other *corev1.Pod
	for _, p := range readyPods(t, adapterNamespace, policies, 2) {
		if holds(&p, holder) {
			leader = &p
		} else {
			other = &p
		}
	}
	if leader == nil || other == nil {
		t.Fatalf("the Lease is %q's, which is not one of two pods", holder)
	}
	// The other looks at the Lease every 2 to 4.4 s (client-go's JitterFactor adds up to 1.2
	// times the period): it may see the last renewal so much later, and as much later its end.
	limit := time.Duration(ptr.Deref(before.Spec.LeaseDurationSeconds, 0))*time.Second + 2*4400*time.Millisecond + time.Second
	at, kills := time.Now(), 1
	kill(t, leader)
	until(t, "the other one leads", limit, func(ctx context.Context) (bool, string) {
		// Its container is started again within a second, and would take part. It is killed
		// as often as it is: from the second time on the kubelet takes 10 s and more.
		if again, err := node.Client.CoreV1().Pods(adapterNamespace).Get(ctx, leader.Name, metav1.GetOptions{}); err == nil && restarted(leader, again) {
			kill(t, again)
			leader, kills = again, kills+1
		}
		now, err := lease(ctx)
		if err != nil {
			return false, err.Error()
		}
		is := ptr.Deref(now.Spec.HolderIdentity, "")
		return holds(other, is), is
	})
	t.Logf("the other one leads %s after the first of %d SIGKILLs", time.Since(at).Round(10*time.Millisecond), kills)
	followed(t, 7)
	readyPods(t, adapterNamespace, policies, 2)
	followed(t, 6)
}

// holds tells whether a Lease's holder is a process of the pod: the pod's name and something
// random.
func holds(p *corev1.Pod, holder string) bool { return strings.HasPrefix(holder, p.Name+"_") }

// restarted tells whether the container runs, and is another than before.
func restarted(before, now *corev1.Pod) bool {
	was, is := before.Status.ContainerStatuses[0], now.Status.ContainerStatuses[0]
	return is.State.Running != nil && is.ContainerID != was.ContainerID
}

// followed: what is changed in a policy is done to its HPA.
func followed(t *testing.T, most int32) {
	t.Helper()
	kubectl(t, "-n", remindMe, "patch", "autoscalingpolicy", "remindmeweb", "--type=merge", fmt.Sprintf(`-p={"spec":{"replicas":{"max":%d}}}`, most))
	until(t, fmt.Sprintf("the HPA's maximum is the policy's, %d", most), 10*time.Second, func(ctx context.Context) (bool, string) {
		h, err := node.Client.AutoscalingV2().HorizontalPodAutoscalers(remindMe).Get(ctx, "remindmeweb", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return h.Spec.MaxReplicas == most, fmt.Sprint(h.Spec.MaxReplicas)
	})
}

// rotated: with certificates that live a minute, no read fails while they are renewed, at
// least three times.
func rotated(t *testing.T) {
	setLifetime(t, "1m")
	readyPods(t, adapterNamespace, adapter, 2)
	available(t)
	r, began := reading(t), time.Now()
	serials := map[string]time.Time{}
	until(t, "four certificates were served one after the other", 5*time.Minute, func(ctx context.Context) (bool, string) {
		bundle, err := caBundle(ctx)
		if err != nil {
			return false, err.Error()
		}
		cert, err := serving(ctx, bundle)
		if err != nil {
			t.Fatalf("%s after the start: %v", time.Since(began), err)
		}
		if life := cert.NotAfter.Sub(cert.NotBefore); life > 2*time.Minute {
			t.Fatalf("a certificate that lives %s", life)
		}
		if _, known := serials[cert.SerialNumber.String()]; !known {
			serials[cert.SerialNumber.String()] = time.Now()
		}
		return len(serials) >= 4, fmt.Sprintf("%d certificates", len(serials))
	})
	pause(t, after)
	r.none(t, fmt.Sprintf("%d certificates were served", len(serials)), began)
	available(t)
	setLifetime(t, "720h")
	readyPods(t, adapterNamespace, adapter, 2)
}

// setLifetime rolls the adapter to certificates of another lifetime, and has the one that
// there is thrown away, for it is good until its own end.
func setLifetime(t *testing.T, lifetime string) {
	t.Helper()
	setArgs(t, `"--cert-lifetime=`+lifetime+`"`)
	// A replica that is on its way out would fill it once more as it did before.
	readyPods(t, adapterNamespace, adapter, 2)
	kubectl(t, "-n", adapterNamespace, "patch", "secret", "loadline-adapter-tls", "--type=json", `-p=[{"op":"remove","path":"/data"}]`)
	until(t, "a certificate of the new lifetime", time.Minute, func(ctx context.Context) (bool, string) {
		bundle, err := caBundle(ctx)
		if err != nil {
			return false, err.Error()
		}
		cert, err := serving(ctx, bundle)
		if err != nil {
			return false, err.Error()
		}
		life, err := time.ParseDuration(lifetime)
		if err != nil {
			t.Fatal(err)
		}
		got := cert.NotAfter.Sub(cert.NotBefore)
		return got >= life && got < life+2*time.Hour && (life > time.Hour || got < 2*life), got.String()
	})
}

// setArgs rolls the adapter to other arguments of its own, a list in JSON without its brackets.
func setArgs(t *testing.T, args string) {
	t.Helper()
	helm(t, "upgrade", "loadline", root+"/deploy/chart", "--namespace", adapterNamespace, "--reset-then-reuse-values", "--rollback-on-failure",
		"--set-json", "adapter.extraArgs=["+args+"]")
}

// caBundle is what kube-apiserver verifies the adapter by.
func caBundle(ctx context.Context) ([]byte, error) {
	client, err := apis()
	if err != nil {
		return nil, err
	}
	api, err := client.ApiregistrationV1().APIServices().Get(ctx, apiServices[0], metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return api.Spec.CABundle, nil
}

// rolled: a rolling update of Remind Me's page under load, with the guard on, never takes
// capacity: neither is a smaller size wanted, nor are fewer pods available, nor does a
// request through the Service fail.
func rolled(t *testing.T, web *traffic) {
	web.rate(t, 65)
	sized(t, "remindmeweb", 4, 6, 3*time.Minute)
	deployment := func(ctx context.Context) (*appsv1.Deployment, error) {
		return node.Client.AppsV1().Deployments(remindMe).Get(ctx, "remindmeweb-deployment", metav1.GetOptions{})
	}
	until(t, "all pods of the page are available", time.Minute, func(ctx context.Context) (bool, string) {
		d, err := deployment(ctx)
		if err != nil {
			return false, err.Error()
		}
		return d.Status.AvailableReplicas == *d.Spec.Replicas && d.Status.UpdatedReplicas == *d.Spec.Replicas, fmt.Sprint(d.Status)
	})
	d, err := deployment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	size, before := *d.Spec.Replicas, web.stats()
	lowest, fewest := size, size
	kubectl(t, "-n", remindMe, "set", "image", "deployment/remindmeweb-deployment", "remindmeweb=remindmeweb:v2")
	held := false
	until(t, "the rollout is complete", 3*time.Minute, func(ctx context.Context) (bool, string) {
		d, err := deployment(ctx)
		if err != nil {
			return false, err.Error()
		}
		lowest, fewest = min(lowest, *d.Spec.Replicas), min(fewest, d.Status.AvailableReplicas)
		if h, err := node.Client.AutoscalingV2().HorizontalPodAutoscalers(remindMe).Get(ctx, "remindmeweb", metav1.GetOptions{}); err == nil {
			held = held || *h.Spec.MinReplicas >= size
		}
		s := d.Status
		return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == *d.Spec.Replicas && s.Replicas == s.UpdatedReplicas && s.AvailableReplicas == s.Replicas,
			fmt.Sprintf("%d wanted, %d updated, %d available", *d.Spec.Replicas, s.UpdatedReplicas, s.AvailableReplicas)
	})
	now := web.stats()
	t.Logf("rolled %d pods under %d requests: %d wanted and %d available at least, %d requests failed (%s)",
		size, now.OK-before.OK, lowest, fewest, now.Failed-before.Failed, now.LastError)
	if lowest < size || fewest < size {
		t.Errorf("of %d pods %d were wanted and %d available at one time", size, lowest, fewest)
	}
	if !held {
		t.Errorf("the HPA's minimum was never %d: the guard did not hold", size)
	}
	if now.Failed != before.Failed {
		t.Errorf("%d requests failed: %s", now.Failed-before.Failed, now.LastError)
	}
}
