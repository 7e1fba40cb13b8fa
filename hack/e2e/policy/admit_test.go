//go:build e2e

package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// The API server asks loadline-policy before it stores policies and changes of the
// selectors of Services, as deploy/components/policy-webhook has it; kubectl shows what
// it says; nobody is locked out, and while it is away everything passes.
func TestP12Webhook(t *testing.T) {
	ns := namespace(t)
	// One that is wrong, from before.
	create(t, newPolicy(ns, "old", badCron))
	startWebhook(t, ns)

	t.Run("policies", func(t *testing.T) { webhookOnPolicies(t, ns) })
	t.Run("services", func(t *testing.T) { webhookOnServices(t, ns) })
	t.Run("away", func(t *testing.T) {
		alone(t)
		must(t, kube.Create(t.Context(), newPolicy(ns, "unseen", badCron), client.DryRunAll))
		if said, code := flip(t, ns, "web", "green"); code != 0 {
			t.Errorf("refused by nobody: %s", said)
		}
	})
}

func badCron(p *v1alpha1.AutoscalingPolicy) {
	p.Spec.Schedules = []v1alpha1.Schedule{{Name: "day", Start: "0 25 * * *", Duration: metav1.Duration{Duration: time.Hour}, TimeZone: "UTC", Min: 4}}
}

func badQuery(p *v1alpha1.AutoscalingPolicy) {
	perPod := p.Spec.Objectives[0].RequestRate.PerPod
	p.Spec.Objectives = []v1alpha1.Objective{{Query: &v1alpha1.Query{Name: "rate", Expr: "sum(rate(x[5m])", PerPod: &perPod}}}
}

// startWebhook adds the component for the test's time, and waits until it answers.
func startWebhook(t *testing.T, ns string) {
	t.Helper()
	plain, err := system.PolicyManifests(t.Context())
	must(t, err)
	with := addWebhook(t, ns)
	t.Cleanup(func() {
		ctx := context.Background()
		for _, o := range with {
			if lab.Find(plain, o.GetKind(), o.GetName()) == nil {
				if err := kube.Delete(ctx, &unstructured.Unstructured{Object: o.Object}); err != nil {
					t.Error(err)
				}
			}
		}
		if err := errors.Join(system.Apply(ctx, plain), system.Available(ctx, lab.AdapterNamespace, lab.PolicyDeployment, time.Minute)); err != nil {
			t.Error(err)
		}
	})
	// A CA that somebody else overwrites is put back.
	config := &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "loadline-policy"}}
	must(t, kube.Get(t.Context(), client.ObjectKeyFromObject(config), config))
	trusted := config.Webhooks[0].ClientConfig.CABundle
	edit(t, config, func(c *admissionv1.ValidatingWebhookConfiguration) { c.Webhooks[1].ClientConfig.CABundle = nil })
	system.Until(t, "the CA is put back", 30*time.Second, func(ctx context.Context) (bool, string) {
		err := kube.Get(ctx, client.ObjectKeyFromObject(config), config)
		return err == nil && bytes.Equal(config.Webhooks[1].ClientConfig.CABundle, trusted), fmt.Sprint(err)
	})
}

// addWebhook adds the component, waits until it answers, and returns all that loadline-policy
// consists of now.
func addWebhook(t *testing.T, ns string) []*unstructured.Unstructured {
	t.Helper()
	with, err := system.RenderPolicy(t.Context(), filepath.Join("hack", "e2e", "policy", "webhook"), "--webhook-bind-address=$(POD_IP):9443")
	must(t, err)
	must(t, system.Apply(t.Context(), with))
	must(t, system.Available(t.Context(), lab.AdapterNamespace, lab.PolicyDeployment, time.Minute))
	system.Until(t, "the webhook answers", time.Minute, func(ctx context.Context) (bool, string) {
		err := kube.Create(ctx, newPolicy(ns, "probe", badCron), client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), "autoscalingpolicies.loadline.dev"), fmt.Sprint(err)
	})
	return with
}

func webhookOnPolicies(t *testing.T, ns string) {
	const (
		cron  = `admission webhook "autoscalingpolicies.loadline.dev" denied the request: spec.schedules[0].start: `
		query = `admission webhook "autoscalingpolicies.loadline.dev" denied the request: spec.objectives[0].query.expr: the query cannot be read`
	)
	for want, edit := range map[string]func(*v1alpha1.AutoscalingPolicy){cron: badCron, query: badQuery} {
		data, err := json.Marshal(newPolicy(ns, "new", edit))
		must(t, err)
		for _, args := range [][]string{{"create", "-f", "-"}, {"create", "-f", "-", "--dry-run=server"}} {
			if said, code := tells(t, ns, string(data), args...); code != 1 || !strings.Contains(said, want) {
				t.Errorf("exit code %d, without %q: %s", code, want, said)
			}
		}
	}
	data, err := json.Marshal(newPolicy(ns, "alike", func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Replicas.Max = p.Spec.Replicas.Min }))
	must(t, err)
	if said, code := tells(t, ns, string(data), "create", "-f", "-"); code != 0 || !strings.Contains(said, "Warning: spec.replicas.max: min and max are both 2") {
		t.Errorf("exit code %d: %s", code, said)
	}
	// What was wrong before can be changed otherwise, and mended.
	if said, code := tells(t, ns, "", "label", "autoscalingpolicy", "old", "a=b"); code != 0 || said != "" {
		t.Errorf("a label: exit code %d: %s", code, said)
	}
	change := func(spec string) []string {
		return []string{"patch", "autoscalingpolicy", "old", "--type=merge", "--patch", `{"spec":` + spec + `}`}
	}
	if said, code := tells(t, ns, "", change(`{"replicas":{"max":9}}`)...); code != 0 || !strings.Contains(said, "Warning: spec.schedules[0].start: ") {
		t.Errorf("another field: exit code %d: %s", code, said)
	}
	if said, code := tells(t, ns, "", change(`{"schedules":null}`)...); code != 0 || said != "" {
		t.Errorf("mended: exit code %d: %s", code, said)
	}
}

func webhookOnServices(t *testing.T, ns string) {
	const denied = `admission webhook "services.loadline.dev" denied the request: 40 green-cold: 2 ready pods serve Service web now, and 1 would with the selector color=green`
	for name, color := range map[string]string{"b1": "blue", "b2": "blue", "g1": "green"} {
		readyPod(t, ns, name, color)
	}
	create(t, colored(ns, "web"))
	create(t, colored(ns, "plain"))
	create(t, newPolicy(ns, "web", func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.BlueGreen = &v1alpha1.BlueGreen{Service: "web", OtherRef: v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "other"}}
	}))
	system.Until(t, "loadline-policy knows of the Service", soon, func(context.Context) (bool, string) {
		said, code := flip(t, ns, "web", "green", "--dry-run=server")
		return code == 1 && strings.Contains(said, denied), said
	})
	if said, code := flip(t, ns, "web", "green"); code != 1 || !strings.Contains(said, denied) {
		t.Errorf("exit code %d: %s", code, said)
	}
	passes := func(what, service, color, warning string, args ...string) {
		t.Helper()
		said, code := flip(t, ns, service, color, args...)
		if code != 0 || warning == "" && said != "" || !strings.Contains(said, warning) {
			t.Errorf("%s: exit code %d, want the warning %q: %s", what, code, warning, said)
		}
	}
	passes("nobody's", "plain", "green", "")
	passes("nobody's, back", "plain", "blue", "")
	if said, code := tells(t, ns, "", "label", "namespace", ns, "loadline.dev/warn-40-green-cold=on"); code != 0 {
		t.Fatal(said)
	}
	system.Until(t, "the API server knows of the label", soon, func(context.Context) (bool, string) {
		said, code := flip(t, ns, "plain", "green", "--dry-run=server")
		return code == 0 && strings.Contains(said, "Warning: 40 green-cold: 2 ready pods serve Service plain now, and 1 would"), said
	})
	if said, code := flip(t, ns, "web", "green"); code != 1 || !strings.Contains(said, "2 ready pods serve") {
		t.Errorf("opted in: exit code %d: %s", code, said)
	}
	if said, code := tells(t, ns, "", "annotate", "service", "web", "loadline.dev/allow-40-green-cold=blue burns"); code != 0 {
		t.Fatal(said)
	}
	passes("annotated", "web", "green", "Warning: 40 green-cold: not looked at, for Service web is annotated loadline.dev/allow-40-green-cold: blue burns")
	if said, code := tells(t, ns, "", "annotate", "service", "web", "loadline.dev/allow-40-green-cold-"); code != 0 {
		t.Fatal(said)
	}
	passes("back, to more", "web", "blue", "")
	// As many as serve are enough, and where none is ready anything is.
	readyPod(t, ns, "g2", "green")
	passes("warm", "web", "green", "")
	must(t, kube.Delete(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "g1"}}, client.GracePeriodSeconds(0)))
	must(t, kube.Delete(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "g2"}}, client.GracePeriodSeconds(0)))
	passes("from what is down", "web", "red", "")
	passes("to the other again", "web", "blue", "")
	readyPod(t, ns, "g3", "green") // for the next test, a cold one
}

// colored is a Service that selects blue.
func colored(ns, name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"color": "blue"}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(80)}}},
	}
}

// readyPod makes a pod that runs nowhere and calls itself ready, which no node disputes.
func readyPod(t *testing.T, ns, name, color string) {
	t.Helper()
	p := create(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{"color": color}}, Spec: unplaced()})
	// The scheduler writes another condition at the same time.
	ready := client.StrategicMergeFrom(p.DeepCopy())
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
	must(t, kube.Status().Patch(t.Context(), p, ready))
}

// flip has a Service select another color.
func flip(t *testing.T, ns, service, color string, args ...string) (said string, code int) {
	t.Helper()
	return tells(t, ns, "", append([]string{"patch", "service", service, "--patch", `{"spec":{"selector":{"color":"` + color + `"}}}`}, args...)...)
}

// tells runs the cluster's own kubectl, and returns what it tells its user (stderr) and its
// exit code.
func tells(t *testing.T, ns, stdin string, args ...string) (said string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := system.Cluster.Kubectl(ctx, append([]string{"--namespace=" + ns}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); !ended {
			t.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
		}
	}
	t.Logf("kubectl %s: exit code %d\n%s%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), &stdout, &stderr)
	return stderr.String(), cmd.ProcessState.ExitCode()
}
