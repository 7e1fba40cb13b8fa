//go:build e2e

package cluster

// Run in a namespace:
//
//	go run ./hack/cmd/cluster exec -- go test -tags e2e -v ./hack/cluster
//
// and, to see it without one, with --host-network before the two dashes.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/hack/build"
	"github.com/loadline/loadline/hack/netns"
)

func TestCluster(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c, err := Start(within(t, 5*time.Minute), Options{
		Kwok: true, AuditLog: true, HPASyncPeriod: time.Second, Log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	t.Logf("in a namespace: %t", netns.Isolated())
	t.Run("kubectl", func(t *testing.T) {
		tools, err := build.Locate()
		if err != nil {
			t.Fatal(err)
		}
		want := tools.Version("kubernetes")
		out, err := c.Kubectl(t.Context(), "version").CombinedOutput()
		if err != nil || want == "" || !strings.Contains(string(out), "Server Version: "+want+"\n") {
			t.Errorf("%s, %v; want %q", out, err, want)
		}
	})
	t.Run("rights", func(t *testing.T) { checkRights(t, c) })
	t.Run("audit log", func(t *testing.T) { checkAuditLog(t, c) })
	t.Run("kwok", func(t *testing.T) { checkKwok(t, c) })
	t.Run("nothing is left", func(t *testing.T) { checkStop(t, c) })
}

func clientOf(t *testing.T, config *rest.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func checkRights(t *testing.T, c *Cluster) {
	jane, err := c.UserConfig("jane", "dev")
	if err != nil {
		t.Fatal(err)
	}
	boss, err := c.UserConfig("boss", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		config *rest.Config
		denied string
	}{
		"administrator": {c.RESTConfig(), ""},
		"by group":      {boss, ""},
		"no rights":     {jane, `User "jane" cannot list resource "pods"`},
		"anonymous":     {c.AnonymousConfig(), `User "system:anonymous" cannot list resource "pods"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := clientOf(t, tc.config).CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
			switch {
			case tc.denied == "" && err != nil:
				t.Error(err)
			case tc.denied != "" && (!apierrors.IsForbidden(err) || !strings.Contains(err.Error(), tc.denied)):
				t.Errorf("error %v, want one with %q", err, tc.denied)
			}
		})
	}
}

func checkAuditLog(t *testing.T, c *Cluster) {
	reviews := func() int {
		data, err := os.ReadFile(c.AuditLogPath())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), `"resource":"subjectaccessreviews"`)
	}
	before := reviews()
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:               "jane",
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "pods"},
	}}
	for range 3 {
		if _, err := clientOf(t, c.RESTConfig()).AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := reviews() - before; got != 3 {
		t.Errorf("the audit log shows %d more reviews, want 3", got)
	}
}

// checkKwok wants the pods of a fake node to run with addresses of kwok's
// range, and a node that is not annotated to be left alone.
func checkKwok(t *testing.T, c *Cluster) {
	ctx, client := within(t, time.Minute), clientOf(t, c.RESTConfig())
	for name, annotations := range map[string]map[string]string{"fake": {FakeNode: "fake"}, "other": nil} {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations}}
		if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	labels, replicas := map[string]string{"app": "a"}, int32(3)
	_, err := client.AppsV1().Deployments("default").Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "a"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, ctx, func() error {
		d, err := client.AppsV1().Deployments("default").Get(ctx, "a", metav1.GetOptions{})
		if err == nil && d.Status.ReadyReplicas != replicas {
			err = fmt.Errorf("%d pods are ready", d.Status.ReadyReplicas)
		}
		return err
	})
	pods, err := client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, fakeRange, err := net.ParseCIDR(kwokCIDR)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pods.Items {
		if p.Spec.NodeName != "fake" || !fakeRange.Contains(net.ParseIP(p.Status.PodIP)) {
			t.Errorf("%s runs on %s with address %s", p.Name, p.Spec.NodeName, p.Status.PodIP)
		}
	}
	other, err := client.CoreV1().Nodes().Get(ctx, "other", metav1.GetOptions{})
	if err != nil || other.Status.NodeInfo.KubeletVersion != "" {
		t.Errorf("kwok took the other node: %+v, %v", other.Status.NodeInfo, err)
	}
}

// checkStop lets a server die, then stops, and looks for what is left.
func checkStop(t *testing.T, c *Cluster) {
	if err := c.processes[2].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-c.Failed():
		if !strings.Contains(err.Error(), "kube-scheduler ended: signal: killed") {
			t.Errorf("reports %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the death of a server is not reported")
	}
	begun := time.Now()
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	t.Logf("stopped in %s", time.Since(begun))
	checkNothingLeft(t, c)
}

func checkNothingLeft(t *testing.T, c *Cluster) {
	t.Helper()
	if len(c.processes) == 0 {
		t.Error("no process was started: the check is empty")
	}
	for _, p := range c.processes {
		if err := syscall.Kill(-p.cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("group of %s, process %d: %v", p.name, p.cmd.Process.Pid, err)
		}
	}
	for name, port := range map[string]int{apiServer: c.ports.api, etcd: c.ports.etcdClient, kwok: c.ports.kwok} {
		if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			conn.Close()
			t.Errorf("the port of %s is open", name)
		}
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "*")); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %q, %v", left, err)
	}
}

func TestClusterStopsWithItsContext(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Start(ctx, Options{Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	eventually(t, within(t, 30*time.Second), func() error {
		if _, err := os.Stat(c.Dir()); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("state directory: %v", err)
		}
		return nil
	})
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	checkNothingLeft(t, c)
	select {
	case err := <-c.Failed():
		t.Errorf("stopping is reported as a failure: %v", err)
	default:
	}
}

func TestStartTellsWhatAServerSaid(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	_, err := Start(t.Context(), Options{ExtraArgs: map[string][]string{apiServer: {"--no-such-flag"}}})
	if err == nil || !strings.Contains(err.Error(), "unknown flag: --no-such-flag") {
		t.Errorf("error %v does not show the server's", err)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "*")); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %q, %v", left, err)
	}
}

const scrapeItself = `
global: {scrape_interval: 1s}
scrape_configs:
- job_name: itself
  static_configs: [{targets: ["127.0.0.1:%s"]}]
`

func TestPrometheusCanBeBroken(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx := within(t, 3*time.Minute)
	p, err := StartPrometheus(ctx, PromOptions{ConfigYAML: "global: {}", Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	address, err := url.Parse(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Reload(ctx, fmt.Sprintf(scrapeItself, address.Port())); err != nil {
		t.Fatal(err)
	}
	if err := p.Reload(ctx, "nonsense: {}"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a bad configuration gives %v", err)
	}
	samples := func() error {
		n, err := query(ctx, p, "count_over_time(up[10m])")
		if err == nil && n == 0 {
			err = errors.New("no samples yet")
		}
		return err
	}
	eventually(t, ctx, samples)

	p.Stop()
	if _, err := query(ctx, p, "vector(1)"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("stopped, it gives %v", err)
	}
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := samples(); err != nil {
		t.Errorf("data did not survive: %v", err)
	}
	if err := p.Start(ctx); err == nil {
		t.Error("started twice")
	}

	if err := p.Hang(); err != nil {
		t.Fatal(err)
	}
	if _, err := query(ctx, p, "vector(1)"); !os.IsTimeout(err) {
		t.Errorf("hung, it gives %v", err)
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	if n, err := query(ctx, p, "vector(1)"); err != nil || n != 1 {
		t.Errorf("resumed, it gives %d results, %v", n, err)
	}
	if err := p.Hang(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "*")); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %q, %v", left, err)
	}
}

// query asks for an instant vector and returns how many values came.
func query(ctx context.Context, p *Prometheus, expr string) (int, error) {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	body, err := get(ctx, client, p.URL()+"/api/v1/query?query="+url.QueryEscape(expr))
	if err != nil {
		return 0, err
	}
	var answer struct {
		Data struct {
			Result []any `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, err
	}
	return len(answer.Data.Result), nil
}

// eventually asks until f succeeds or ctx is done.
func eventually(t *testing.T, ctx context.Context, f func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%v: %v", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}
