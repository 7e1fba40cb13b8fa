//go:build e2e

// Run with
//
//	go test -c -tags e2e -o DIR/node.test ./hack/node
//	go run ./hack/cmd/cluster exec -- DIR/node.test -test.v -test.run E2E
//
// and with exec --host-network for the way without namespaces.
package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"github.com/loadline/loadline/hack/cluster"
	"github.com/loadline/loadline/hack/netns"
)

const space = "default"

// fixture is a cluster with one process node.
type fixture struct {
	*testing.T
	ctx    context.Context
	client kubernetes.Interface
	node   *Node
	http   *http.Client
	linger string // pods stay while this file exists
}

func TestE2E(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Options{Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	image := func(mode string) Image {
		return Image{Path: self, ExtraEnv: map[string]string{"LOADLINE_TEST_APP": mode}}
	}
	n, err := New(Options{
		RESTConfig: c.RESTConfig(), Dir: t.TempDir(), Isolated: netns.Isolated(),
		Images: map[string]Image{"app:v1": image("v1"), "app:v2": image("v2"), "exit:v1": image("exit"), "hang:v1": image("hang")},
		Log:    slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(c.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- n.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	f := &fixture{ctx: ctx, client: client, node: n, linger: filepath.Join(t.TempDir(), "linger"),
		http: &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	for _, test := range []struct {
		name string
		run  func(*fixture)
	}{
		{"deployment scales and rolls", (*fixture).deployment},
		{"configuration reaches the file", (*fixture).configuration},
		{"terminating pod stays until it exits", (*fixture).terminating},
		{"stubborn pod is killed after its grace", (*fixture).stubborn},
		{"liveness and crash loop", (*fixture).crash},
		{"job ends", (*fixture).job},
		{"claim survives its pod", (*fixture).claim},
		{"unknown image waits", (*fixture).unknownImage},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := *f
			g.T = t
			test.run(&g)
		})
	}
}

// until waits for f to return no error.
func (f *fixture) until(what string, limit time.Duration, check func() error) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.ctx, limit)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return
		}
		if sleep(ctx, 50*time.Millisecond) != nil {
			f.Fatalf("%s: not within %s: %v", what, limit, err)
		}
	}
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) get(url string) (string, error) {
	resp, err := f.http.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}

func appContainer(image string) corev1.Container {
	field := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
	}
	return corev1.Container{
		Name: "app", Image: image,
		Env:   []corev1.EnvVar{field("POD_IP", "status.podIP"), field("POD_NAME", "metadata.name")},
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
		ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 1, ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromString("http")}}},
	}
}

func podSpec(c corev1.Container) corev1.PodSpec {
	grace := int64(20)
	return corev1.PodSpec{Containers: []corev1.Container{c}, TerminationGracePeriodSeconds: &grace}
}

func deploymentOf(name string, replicas int32, spec corev1.PodSpec) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: appsv1.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
	}}
}

func (f *fixture) pods(app string) []corev1.Pod {
	list, err := f.client.CoreV1().Pods(space).List(f.ctx, metav1.ListOptions{LabelSelector: "app=" + app})
	f.must(err)
	return list.Items
}

// ready waits until exactly n pods of app exist and all are ready, and returns them.
func (f *fixture) ready(app string, n int) []corev1.Pod {
	f.Helper()
	var pods []corev1.Pod
	f.until(fmt.Sprintf("%d ready pods of %s", n, app), 40*time.Second, func() error {
		pods = f.pods(app)
		ready := 0
		for i := range pods {
			if isReady(&pods[i]) && pods[i].DeletionTimestamp == nil {
				ready++
			}
		}
		if ready != n || len(pods) != n {
			return fmt.Errorf("%d pods, %d ready", len(pods), ready)
		}
		return nil
	})
	return pods
}

func (f *fixture) pod(name string) *corev1.Pod {
	p, err := f.client.CoreV1().Pods(space).Get(f.ctx, name, metav1.GetOptions{})
	f.must(err)
	return p
}

func (f *fixture) createPod(name string, spec corev1.PodSpec) {
	_, err := f.client.CoreV1().Pods(space).Create(f.ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}}, Spec: spec}, metav1.CreateOptions{})
	f.must(err)
}

func (f *fixture) gone(name string, limit time.Duration) {
	f.Helper()
	f.until(name+" is gone", limit, func() error {
		if n := len(f.pods(name)); n > 0 {
			return fmt.Errorf("%d left", n)
		}
		return nil
	})
}

func podURL(pod corev1.Pod, path string) string { return "http://" + pod.Status.PodIP + ":8080" + path }

func (f *fixture) deployment() {
	d := deploymentOf("web", 2, podSpec(appContainer("app:v1")))
	_, err := f.client.CoreV1().Services(space).Create(f.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web-service"},
		Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"},
			Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}}},
	}, metav1.CreateOptions{})
	f.must(err)
	deployments := f.client.AppsV1().Deployments(space)
	_, err = deployments.Create(f.ctx, d, metav1.CreateOptions{})
	f.must(err)
	pods := f.ready("web", 2)
	f.answers(pods, "v1")
	f.service(pods[0], "v1")

	if who, err := f.get(podURL(pods[0], "/whoami")); who != "system:serviceaccount:default:default" {
		f.Errorf("the pod's token says it is %q (%v)", who, err)
	}

	f.must(f.node.Kill(space, pods[0].Name, syscall.SIGKILL))
	f.until("restart after SIGKILL", 20*time.Second, func() error {
		s := f.pod(pods[0].Name).Status.ContainerStatuses[0]
		if s.RestartCount != 1 || !s.Ready || s.LastTerminationState.Terminated == nil || s.LastTerminationState.Terminated.ExitCode != 137 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})

	f.scale("web", 5)
	f.answers(f.ready("web", 5), "v1")
	f.scale("web", 2)
	f.ready("web", 2)

	f.until("image is changed", 10*time.Second, func() error {
		have, err := deployments.Get(f.ctx, "web", metav1.GetOptions{})
		f.must(err)
		have.Spec.Template.Spec.Containers[0].Image = "app:v2"
		_, err = deployments.Update(f.ctx, have, metav1.UpdateOptions{})
		return err
	})
	f.until("rolling update", 60*time.Second, func() error {
		have, err := deployments.Get(f.ctx, "web", metav1.GetOptions{})
		f.must(err)
		if s := have.Status; s.ObservedGeneration != have.Generation || s.UpdatedReplicas != 2 || s.AvailableReplicas != 2 || s.Replicas != 2 {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	f.answers(f.ready("web", 2), "v2")
	f.must(deployments.Delete(f.ctx, "web", metav1.DeleteOptions{}))
	f.gone("web", 30*time.Second)
}

func (f *fixture) scale(name string, replicas int32) {
	f.Helper()
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)
	_, err := f.client.AppsV1().Deployments(space).Patch(f.ctx, name, "application/merge-patch+json", []byte(patch), metav1.PatchOptions{})
	f.must(err)
}

// answers checks that each pod answers on its own IP as itself.
func (f *fixture) answers(pods []corev1.Pod, version string) {
	f.Helper()
	seen := map[string]bool{}
	for _, p := range pods {
		if seen[p.Status.PodIP] {
			f.Errorf("two pods have the IP %s", p.Status.PodIP)
		}
		seen[p.Status.PodIP] = true
		if body, err := f.get(podURL(p, "/")); body != version+" "+p.Name {
			f.Errorf("%s answers %q (%v)", p.Name, body, err)
		}
	}
}

// service checks that the address the pod's environment has for the service
// leads to all pods.
func (f *fixture) service(p corev1.Pod, version string) {
	f.Helper()
	env, err := f.get(podURL(p, "/env"))
	f.must(err)
	vars := map[string]string{}
	for line := range strings.Lines(env) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		vars[name] = value
	}
	at := "http://" + vars["WEB_SERVICE_SERVICE_HOST"] + ":" + vars["WEB_SERVICE_SERVICE_PORT"] + "/"
	names := map[string]bool{}
	f.until("the service leads to two pods", 20*time.Second, func() error {
		body, err := f.get(at)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(body, version+" web-") {
			f.Fatalf("the service answers %q", body)
		}
		names[body] = true
		if len(names) < 2 {
			return fmt.Errorf("only %v", names)
		}
		return nil
	})
}

func (f *fixture) configuration() {
	configMaps := f.client.CoreV1().ConfigMaps(space)
	cm, err := configMaps.Create(f.ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings"},
		Data: map[string]string{"greeting": "hello"}}, metav1.CreateOptions{})
	f.must(err)
	c := appContainer("app:v1")
	// A volume at the place of the program, as when it was built below /tmp, does not hide it.
	self, err := os.Executable()
	f.must(err)
	c.VolumeMounts = []corev1.VolumeMount{{Name: "settings", MountPath: "/etc/app"}, {Name: "over", MountPath: filepath.Dir(self)}}
	c.Env = append(c.Env, corev1.EnvVar{Name: "DIR", Value: "/etc/app"}, corev1.EnvVar{Name: "CONFIG", Value: "$(DIR)/greeting"})
	spec := podSpec(c)
	spec.Volumes = []corev1.Volume{{Name: "settings", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}},
		{Name: "over", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	f.createPod("config", spec)
	p := f.ready("config", 1)[0]
	if body, err := f.get(podURL(p, "/config")); body != "hello" {
		f.Errorf("file holds %q (%v)", body, err)
	}
	cm.Data["greeting"] = "goodbye"
	_, err = configMaps.Update(f.ctx, cm, metav1.UpdateOptions{})
	f.must(err)
	f.until("the update reaches the running pod", 10*time.Second, func() error {
		if body, err := f.get(podURL(p, "/config")); body != "goodbye" {
			return fmt.Errorf("file holds %q (%v)", body, err)
		}
		return nil
	})
	f.must(f.client.CoreV1().Pods(space).Delete(f.ctx, "config", metav1.DeleteOptions{}))
	f.gone("config", 20*time.Second)
}

func (f *fixture) terminating() {
	f.must(os.WriteFile(f.linger, nil, 0o600))
	c := appContainer("app:v1")
	c.Env = append(c.Env, corev1.EnvVar{Name: "LINGER_WHILE", Value: f.linger})
	f.createPod("slow", podSpec(c))
	p := f.ready("slow", 1)[0]
	f.must(f.client.CoreV1().Pods(space).Delete(f.ctx, "slow", metav1.DeleteOptions{}))
	for range 10 { // it has had SIGTERM and goes on answering
		if body, err := f.get(podURL(p, "/")); body != "v1 slow" {
			f.Fatalf("terminating pod answers %q (%v)", body, err)
		}
		if f.pod("slow").DeletionTimestamp == nil {
			f.Fatal("the pod is not terminating")
		}
		f.must(sleep(f.ctx, 100*time.Millisecond))
	}
	f.must(os.Remove(f.linger))
	f.gone("slow", 5*time.Second)
	if body, err := f.get(podURL(p, "/")); err == nil {
		f.Errorf("a pod that is gone answers %q", body)
	}
}

func (f *fixture) stubborn() {
	spec := podSpec(corev1.Container{Name: "hang", Image: "hang:v1"})
	*spec.TerminationGracePeriodSeconds = 2
	f.createPod("hang", spec)
	f.ready("hang", 1)
	// A process that has just begun does not ignore SIGTERM yet.
	f.until("hang ignores SIGTERM", 10*time.Second, func() error {
		log, err := f.node.Log(space, "hang", "hang")
		if err != nil {
			return err
		}
		defer log.Close()
		if said, err := io.ReadAll(log); err != nil || !strings.Contains(string(said), "ready") {
			return fmt.Errorf("it said %q: %v", said, err)
		}
		return nil
	})
	begun := time.Now()
	f.must(f.client.CoreV1().Pods(space).Delete(f.ctx, "hang", metav1.DeleteOptions{}))
	f.gone("hang", 10*time.Second)
	if took := time.Since(begun); took < 1500*time.Millisecond {
		f.Errorf("the grace period of 2 s was cut to %s", took)
	}
}

func (f *fixture) crash() {
	c := corev1.Container{Name: "exit", Image: "exit:v1", Args: []string{"fail"}}
	f.createPod("crash", podSpec(c))
	f.until("crash loop", 20*time.Second, func() error {
		p := f.pod("crash")
		if len(p.Status.ContainerStatuses) == 0 {
			return fmt.Errorf("%+v", p.Status)
		}
		s := p.Status.ContainerStatuses[0]
		if s.State.Waiting == nil || s.State.Waiting.Reason != "CrashLoopBackOff" || s.RestartCount < 2 ||
			s.LastTerminationState.Terminated == nil || s.LastTerminationState.Terminated.ExitCode != 3 {
			return fmt.Errorf("%+v", s)
		}
		if p.Status.Phase != corev1.PodRunning || isReady(p) {
			return fmt.Errorf("phase %s", p.Status.Phase)
		}
		return nil
	})
	sick := appContainer("app:v1")
	sick.LivenessProbe = &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 2, ProbeHandler: corev1.ProbeHandler{
		TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(9)}}}
	f.createPod("sick", podSpec(sick))
	f.until("liveness restarts", 20*time.Second, func() error {
		p := f.pod("sick")
		if len(p.Status.ContainerStatuses) == 0 || p.Status.ContainerStatuses[0].RestartCount < 1 {
			return fmt.Errorf("%+v", p.Status.ContainerStatuses)
		}
		return nil
	})
	for _, name := range []string{"crash", "sick"} {
		f.must(f.client.CoreV1().Pods(space).Delete(f.ctx, name, metav1.DeleteOptions{}))
		f.gone(name, 20*time.Second)
	}
}

func (f *fixture) job() {
	limit := int32(0)
	for _, test := range []struct {
		arg  string
		want batchv1.JobConditionType
	}{{"work", batchv1.JobComplete}, {"fail", batchv1.JobFailed}} {
		name := "job-" + test.arg
		spec := podSpec(corev1.Container{Name: "exit", Image: "exit:v1", Args: []string{test.arg}})
		spec.InitContainers = []corev1.Container{{Name: "first", Image: "exit:v1", Args: []string{"init"}}}
		spec.RestartPolicy = corev1.RestartPolicyNever
		_, err := f.client.BatchV1().Jobs(space).Create(f.ctx, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: batchv1.JobSpec{BackoffLimit: &limit, Template: corev1.PodTemplateSpec{Spec: spec}}}, metav1.CreateOptions{})
		f.must(err)
		f.until(name+" ends as "+string(test.want), 20*time.Second, func() error {
			j, err := f.client.BatchV1().Jobs(space).Get(f.ctx, name, metav1.GetOptions{})
			f.must(err)
			for _, c := range j.Status.Conditions {
				if c.Type == test.want && c.Status == corev1.ConditionTrue {
					return nil
				}
			}
			return fmt.Errorf("%+v", j.Status)
		})
	}
}

func (f *fixture) claim() {
	c := appContainer("app:v1")
	c.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	c.Env = append(c.Env, corev1.EnvVar{Name: "STATE", Value: "/data/state"})
	replicas := int32(1)
	labels := map[string]string{"app": "db"}
	_, err := f.client.AppsV1().StatefulSets(space).Create(f.ctx, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec: appsv1.StatefulSetSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec(c)},
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"},
				Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
					Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}}}}}}},
		metav1.CreateOptions{})
	f.must(err)
	p := f.ready("db", 1)[0]
	resp, err := f.http.Post(podURL(p, "/state"), "text/plain", strings.NewReader("kept"))
	f.must(err)
	resp.Body.Close()
	f.must(f.client.CoreV1().Pods(space).Delete(f.ctx, "db-0", metav1.DeleteOptions{}))
	f.until("db-0 is another pod", 20*time.Second, func() error {
		pods := f.pods("db")
		if len(pods) != 1 || pods[0].UID == p.UID {
			return fmt.Errorf("%d pods", len(pods))
		}
		return nil
	})
	again := f.ready("db", 1)[0]
	if again.Status.PodIP == p.Status.PodIP {
		f.Errorf("the IP %s was used again at once", p.Status.PodIP)
	}
	if body, err := f.get(podURL(again, "/state")); body != "kept" {
		f.Errorf("state is %q (%v)", body, err)
	}
	log, err := f.node.Log(space, "db-0", "app")
	f.must(err)
	text, err := io.ReadAll(log)
	f.must(err)
	f.must(log.Close())
	line := "listening on " + again.Status.PodIP
	if !strings.Contains(string(text), line) {
		f.Errorf("log: %q", text)
	}
	if netns.Isolated() { // the way of kubectl logs
		tail := int64(1)
		text, err = f.client.CoreV1().Pods(space).GetLogs("db-0", &corev1.PodLogOptions{TailLines: &tail}).DoRaw(f.ctx)
		if err != nil || !strings.HasPrefix(string(text), line) {
			f.Errorf("kubectl logs: %q (%v)", text, err)
		}
	}
}

func (f *fixture) unknownImage() {
	f.createPod("stranger", podSpec(corev1.Container{Name: "x", Image: "nobody/knows:1"}))
	f.until("the pod says that its image is unknown", 10*time.Second, func() error {
		p := f.pod("stranger")
		if len(p.Status.ContainerStatuses) == 0 {
			return fmt.Errorf("%+v", p.Status)
		}
		w := p.Status.ContainerStatuses[0].State.Waiting
		if w == nil || w.Reason != "ErrImagePull" || !strings.Contains(w.Message, `"nobody/knows:1"`) || p.Status.Phase != corev1.PodPending {
			return fmt.Errorf("%+v", w)
		}
		return nil
	})
	f.must(f.client.CoreV1().Pods(space).Delete(f.ctx, "stranger", metav1.DeleteOptions{}))
	f.gone("stranger", 10*time.Second)
}
