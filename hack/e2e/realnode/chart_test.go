//go:build e2e

package realnode

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

// values are what an operator gives the chart: our images, policies, the queue's exporter,
// and the pace of the test's cluster.
const values = `
adapter:
  image: {tag: v1}
  config:
    exporters:
    - {name: queue, namespace: remindme, podSelector: app.kubernetes.io/name=remindme-queue}
policy:
  enabled: true
  image: {tag: v1}
  extraArgs: [--hpa-sync-period=5s, --metric-window=15s]
`

// TestN2Chart installs by Helm as docs/install.md says, has Remind Me scaled, disturbs all
// of it, and uninstalls.
func TestN2Chart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "create", "namespace", adapterNamespace)
	kubectl(t, "label", "namespace", adapterNamespace, "pod-security.kubernetes.io/enforce=restricted")
	t.Log(helm(t, "install", "loadline", filepath.Join(root, "deploy", "chart"), "--namespace", adapterNamespace, "--wait", "--values", file))
	step(t, "installed", installed)
	step(t, "the namespace is restricted", restricted)
	step(t, "what containers may do", confined)
	step(t, "rights", rights)
	step(t, "helm test", func(t *testing.T) {
		out := helm(t, "test", "loadline", "--namespace", adapterNamespace, "--logs")
		if !strings.Contains(out, "Succeeded") {
			t.Errorf("helm test:\n%s", out)
		}
		t.Log(out)
	})
	volume(t)
	if err := system.StartRemindMeByPolicies(t.Context(), 0); err != nil {
		t.Log(state(context.WithoutCancel(t.Context())))
		t.Fatal(err)
	}
	web := send(t, "remindmeweb-service", load.Get("/"))
	step(t, "scaled by request rate", func(t *testing.T) {
		web.rate(t, 65)
		sized(t, "remindmeweb", 4, 6, 3*time.Minute)
		web.rate(t, 5)
		sized(t, "remindmeweb", 2, 2, 4*time.Minute)
	})
	step(t, "scaled by queue", func(t *testing.T) {
		reminders := send(t, "remindmeapi-service", load.CreateReminders("e2e"))
		reminders.rate(t, 30)
		sized(t, "remindme-worker", 4, 6, 3*time.Minute)
		reminders.rate(t, 0)
		sized(t, "remindme-worker", 2, 2, 5*time.Minute)
	})
	step(t, "rolled under load", func(t *testing.T) { rolled(t, web) })
	web.rate(t, 10)
	sized(t, "remindmeweb", 2, 2, 5*time.Minute)
	step(t, "an adapter pod is deleted", deletedPod)
	step(t, "the node is drained", drained)
	step(t, "a new version", upgraded)
	step(t, "a replica is killed", func(t *testing.T) { killed(t, web) })
	step(t, "the leader is killed", leaderKilled)
	step(t, "replicas that end at once", undelayed)
	step(t, "certificates rotate", rotated)
	step(t, "network policies", fenced)
	all := web.stats()
	t.Logf("of %d requests through the page's Service %d failed (%s)", all.Sent, all.Failed, all.LastError)
	web.rate(t, 0)
	step(t, "uninstalled", func(t *testing.T) {
		before := hpas(t)
		t.Log(loadline(t, "uninstall", "--yes"))
		t.Log(helm(t, "uninstall", "loadline", "--namespace", adapterNamespace))
		gone(t, before)
	})
	kubectl(t, "delete", "namespace", adapterNamespace, remindMe)
	kubectl(t, "delete", "pv", "queue")
}

// step is a part of a test after which the next ones go on: each leaves the system as it
// was.
func step(t *testing.T, name string, do func(*testing.T)) {
	t.Helper()
	began := time.Now()
	t.Run(name, do)
	fmt.Fprintf(os.Stderr, "e2e: %s: %s\n", name, time.Since(began).Round(time.Second))
}

// installed: two replicas of each program are ready, and the APIs are available.
func installed(t *testing.T) {
	readyPods(t, adapterNamespace, adapter, 2)
	readyPods(t, adapterNamespace, policies, 2)
	available(t)
}

// restricted: the namespace refuses a pod that asks for more than ours.
func restricted(t *testing.T) {
	namespace, err := node.Client.CoreV1().Namespaces().Get(t.Context(), adapterNamespace, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if level := namespace.Labels["pod-security.kubernetes.io/enforce"]; level != "restricted" {
		t.Errorf("the namespace enforces %q", level)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "root"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "loadline-adapter:v1"}}}}
	_, err = node.Client.CoreV1().Pods(adapterNamespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "PodSecurity") {
		t.Errorf("a pod that may be root is not refused: %v", err)
	}
}

// confined: what the kernel says of our running processes is what the manifests ask for.
func confined(t *testing.T) {
	for _, program := range []string{adapter, policies} {
		for _, p := range readyPods(t, adapterNamespace, program, 2) {
			_, id, _ := strings.Cut(p.Status.ContainerStatuses[0].ContainerID, "://")
			pid, err := node.PID(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			status := processStatus(t, pid)
			for field, want := range map[string]string{
				"Uid": "65532 65532 65532 65532", "Gid": "65532 65532 65532 65532",
				"CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2",
			} {
				if status[field] != want {
					t.Errorf("%s: %s is %q, want %q", p.Name, field, status[field], want)
				}
			}
			if options := rootMount(t, pid); !strings.HasPrefix(options, "ro,") {
				t.Errorf("%s: its root is mounted %s", p.Name, options)
			}
		}
	}
}

func processStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.Join(strings.Fields(value), " ")
	}
	return fields
}

// rootMount are the options that a process's root directory is mounted with.
func rootMount(t *testing.T, pid int) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 5 && f[4] == "/" {
			return f[5]
		}
	}
	t.Fatalf("process %d has no root:\n%s", pid, data)
	return ""
}

// fenced: the NetworkPolicies that are shipped are accepted. The node's network, a bridge,
// enforces none, so nothing more is seen here.
func fenced(t *testing.T) {
	t.Log("NOT TESTED: that NetworkPolicies are enforced. The bridge plugin of the node's network enforces none; what is shipped is only applied")
	objects, err := system.Kustomize(t.Context(), filepath.Join(root, "hack", "e2e", "realnode", "fence"))
	if err != nil {
		t.Fatal(err)
	}
	fence := lab.Find(objects, "NetworkPolicy", "loadline-policy-metrics")
	if fence == nil {
		t.Fatal("deploy/components/policy-metrics-fence has no NetworkPolicy loadline-policy-metrics")
	}
	if err := system.Apply(t.Context(), []*unstructured.Unstructured{fence}); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "-n", adapterNamespace, "delete", "networkpolicy", fence.GetName())
}

func quantity(storage string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(storage)}
}
