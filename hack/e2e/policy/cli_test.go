//go:build e2e

package policy

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/decide"
)

// plugin is a call of kubectl loadline in a namespace, by the cluster's own kubectl.
func plugin(ctx context.Context, namespace string, args ...string) *exec.Cmd {
	root, _ := filepath.Abs(os.Getenv("LOADLINE_ROOT")) // main has asked for it
	cmd := system.Cluster.Kubectl(ctx, args...)
	cmd.Env = append(cmd.Env, "PATH="+strings.Join([]string{filepath.Join(root, "bin"), filepath.Join(root, "cmd", "kubectl-loadline"), os.Getenv("PATH")}, ":"))
	if namespace != "" {
		cmd.Args = append(cmd.Args, "--namespace="+namespace)
	}
	return cmd
}

// loadline runs kubectl loadline and returns what it said and its exit code.
func loadline(t *testing.T, namespace string, args ...string) (out, said string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := plugin(ctx, namespace, append([]string{"loadline"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("kubectl loadline %s: %v", strings.Join(args, " "), err)
	}
	t.Logf("kubectl loadline %s: exit code %d\n%s%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), &stdout, &stderr)
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// has fails the test if a text lacks one of the parts.
func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("there is no %q in\n%s", p, text)
		}
	}
}

// kubectl loadline makes a policy that gets its HPA, says how it is with an exit code,
// says so again when it changes, and turns an HPA into a policy that takes it over.
func TestP8Plugin(t *testing.T) {
	ns := namespace(t)

	out, _, code := loadline(t, ns, "autoscale", "deployment/web", "--requests-per-pod", "50", "--min", "2", "--max", "6", "--dry-run=server")
	has(t, out, "perPod: ", "deletionPolicy: Delete") // the server's default
	if _, err := getPolicy(t.Context(), ns, "web"); err == nil || code != 0 {
		t.Fatalf("exit code %d, and a dry run stored the policy", code)
	}
	out, _, _ = loadline(t, ns, "autoscale", "deployment/web", "--requests-per-pod", "50", "--min", "2", "--max", "6", "--apply")
	has(t, out, "autoscalingpolicy.loadline.dev/web serverside-applied")
	built(t, ns, "web")
	system.Until(t, "status: the target is missing", 2*hpaSync+soon, func(context.Context) (bool, string) {
		out, _, code := loadline(t, ns, "status")
		return code == 1 && strings.Contains(out, "there is no Deployment web"), out
	})

	sized(t, ns, "web", 1)
	system.Until(t, "status: ready", 2*hpaSync+soon, func(context.Context) (bool, string) {
		out, _, code := loadline(t, ns, "status", "web", "-o", "json")
		return code == 0 && strings.Contains(out, `"ready": true`), out
	})

	t.Run("watch", func(t *testing.T) { watched(t, ns) })
	t.Run("adoption", func(t *testing.T) { adopted(t, ns) })
	t.Run("completion", func(t *testing.T) {
		// Flags are completed by the plugin, and names by asking the cluster.
		for want, args := range map[string][]string{
			"web\n":            {"status", "--namespace=" + ns, ""},
			"deployment/web\n": {"autoscale", "--namespace=" + ns, "deployment/"},
		} {
			out, err := plugin(t.Context(), "", append([]string{"__complete", "loadline"}, args...)...).Output()
			must(t, err)
			has(t, string(out), want)
		}
	})
}

// watched looks for a row that comes when the policy is changed.
func watched(t *testing.T, ns string) {
	cmd := plugin(t.Context(), ns, "loadline", "status", "-w")
	pipe, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		data := make([]byte, 4096)
		for {
			n, err := pipe.Read(data)
			if n > 0 {
				lines <- string(data[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	var seen strings.Builder
	see := func(what string) {
		system.Until(t, "watch: "+what, 2*hpaSync+soon, func(ctx context.Context) (bool, string) {
			select {
			case text := <-lines:
				seen.WriteString(text)
			default:
			}
			return strings.Contains(seen.String(), what), seen.String()
		})
	}
	see("Deployment/web")
	p, err := getPolicy(t.Context(), ns, "web")
	must(t, err)
	p.Spec.Replicas.Max = 77
	must(t, kube.Update(t.Context(), p))
	see("77")
	must(t, cmd.Process.Signal(syscall.SIGINT))
	for range lines { // until the pipe is closed
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("an interrupted watch: %v", err)
	}
}

// adopted turns an HPA into a policy and follows the note about what to do next.
func adopted(t *testing.T, ns string) {
	sized(t, ns, "old", 1)
	old := create(t, &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "old"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "old"},
			MinReplicas:    ptr.To[int32](3), MaxReplicas: 9,
		},
	})
	_, said, code := loadline(t, ns, "autoscale", "--from-hpa", "old", "--apply")
	note := "annotate hpa old " + decide.AdoptAnnotation + "=old"
	has(t, said, note)
	if code != 0 {
		t.Fatalf("exit code %d", code)
	}
	system.Until(t, "status: another's HPA", soon, func(context.Context) (bool, string) {
		out, _, code := loadline(t, ns, "status", "old")
		return code == 1 && strings.Contains(out, note), out
	})
	must(t, plugin(t.Context(), ns, strings.Fields(note)...).Run())
	if h := built(t, ns, "old"); h.UID != old.UID {
		t.Error("the HPA was replaced")
	}
}
