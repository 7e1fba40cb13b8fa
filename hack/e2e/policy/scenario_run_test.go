//go:build e2e

package policy

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/controller"
)

// settles is how long a scenario may take from its last move to rest: a soak, the steps
// in which a floor ends, and on a busy machine more.
const settles = 4 * time.Minute

// run is one run of a scenario in a namespace.
type run struct {
	scenario
	t      *testing.T
	ns     string
	source *source
	killed bool

	ups    []up
	deaths int
	scaled sync.Map          // resourceVersions of what we scaled
	good   map[string]string // the last revision of a workload that is not broken
	before map[string]string // the one before that
	nth    int
}

// life runs the scenario, and returns what it ends in.
func (r *run) life(ctx context.Context, watcher client.WithWatch) (end *scenarioEnd, err error) {
	ctx, cancel := context.WithCancel(ctx)
	seen, wait, err := observe(ctx, watcher, r.ns)
	if err != nil {
		cancel()
		return nil, err
	}
	defer func() { cancel(); wait() }()
	if err := r.begin(ctx); err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	stop := r.control(ctx)
	defer stop()
	if err := r.until(ctx, "the beginning", r.rests); err != nil {
		return nil, err
	}
	if err := r.play(ctx); err != nil {
		return nil, err
	}
	if r.forGood {
		if err := r.until(ctx, "the end of the switch", r.over); err != nil {
			return nil, err
		}
	} else if err := r.until(ctx, "rest", r.rested); err != nil {
		return nil, err
	}
	// Again, if need be: of thousands of reads the API server resets one now and then.
	err = r.until(ctx, "what is left", func(ctx context.Context) (bool, string) {
		var err error
		end, err = r.end(ctx)
		return err == nil, fmt.Sprint(err)
	})
	stop()
	cancel()
	wait()
	if err == nil {
		err = r.verdict(seen)
	}
	return end, err
}

// play makes the moves, each at its time.
func (r *run) play(ctx context.Context) error {
	began := time.Now()
	for _, m := range r.moves {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(began.Add(m.at))):
		}
		if err := r.move(ctx, m); err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
	}
	return nil
}

// verdict judges what was seen.
func (r *run) verdict(seen *history) error {
	j := &judge{s: r.scenario, ups: r.ups}
	if r.forGood {
		j.least = r.first
	}
	return r.judge(j, seen)
}

func (r *run) judge(j *judge, seen *history) error {
	changes, err := seen.sorted()
	if err != nil {
		return err
	}
	text := ""
	for _, c := range changes {
		told := len(j.problems)
		if f, ok := c.fact.(workloadFact); ok && f.writer != people {
			f.writer = theHPA
			if _, ours := r.scaled.Load(strconv.FormatInt(c.version, 10)); ours {
				f.writer = controller.Name
			}
			c.fact = f
		}
		j.look(c)
		text += "\n    " + c.String()
		for _, p := range j.problems[told:] {
			text += "\n>>> " + p
		}
	}
	if len(j.problems) > 0 {
		return fmt.Errorf("%d problems, the first: %s%s", len(j.problems), j.problems[0], text)
	}
	return nil
}

// control has a controller for the namespace, which dies as the scenario says.
func (r *run) control(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			c := &confined{namespace: r.ns, died: make(chan struct{}), scaled: func(version string) { r.scaled.Store(version, true) }}
			var d death
			if i < len(r.scenario.deaths) && r.killed {
				d = r.scenario.deaths[i]
				c.at, c.after = d.write, d.after
			}
			end := local(r.t, c.wrap, func(o *controller.Options) { o.MetricWindow, o.HPASync, o.Workers = 5*time.Second, hpaSync, 1 })
			r.ups = append(r.ups, up{from: time.Now()})
			select {
			case <-c.died:
				r.deaths++
			case <-ctx.Done():
			}
			r.ups[len(r.ups)-1].to = time.Now()
			end()
			if d.write > 0 && r.forGood {
				return
			}
			select {
			case <-time.After(d.pause):
			case <-ctx.Done():
			}
		}
	}()
	return func() { cancel(); <-done }
}

// begin makes the workloads, the Service and the policy.
func (r *run) begin(ctx context.Context) error {
	r.good, r.before = map[string]string{}, map[string]string{}
	r.bear(r.first)
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.ns, Name: "loadline-policy-switch"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "loadline-policy-switch"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: lab.AdapterNamespace, Name: controller.Name}},
	}
	objects := []client.Object{r.service(), binding}
	for i, name := range r.names() {
		n := r.first
		if i > 0 {
			n = 1
		}
		r.good[name] = "v0"
		objects = append(objects, r.newWorkload(name, n))
	}
	for _, o := range append(objects, r.policy()) {
		if err := kube.Create(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) service() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.ns, Name: "web", Labels: map[string]string{"team": "shop"}},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": r.names()[0]}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	}
}

// bear sets the load to what n pods take.
func (r *run) bear(n int32) {
	r.source.value.Store(10 * int64(n))
	r.source.shared.Store(r.pods)
}

func (r *run) newWorkload(name string, n int32) client.Object {
	meta := metav1.ObjectMeta{Namespace: r.ns, Name: name}
	selector, template := &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}, played(name, "v0", r.start)
	if r.kind == aStatefulSet {
		manage := appsv1.OrderedReadyPodManagement
		if r.unavailable > 0 {
			manage = appsv1.ParallelPodManagement
		}
		return &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: &n, Selector: selector, Template: template, PodManagementPolicy: manage}}
	}
	d := &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &n, Selector: selector, Template: template}}
	d.Spec.Strategy = appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: ptr.To(intstr.FromInt32(r.unavailable)), MaxSurge: ptr.To(intstr.FromInt32(1))}}
	if r.kind == aRecreate {
		d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	}
	return d
}

func (r *run) policy() *v1alpha1.AutoscalingPolicy {
	return newPolicy(r.ns, "web", external, func(p *v1alpha1.AutoscalingPolicy) {
		if r.pods {
			p.Spec.Objectives = []v1alpha1.Objective{{RequestRate: &v1alpha1.RequestRate{PerPod: resource.MustParse("10")}}}
		}
		p.Spec.Replicas = v1alpha1.Replicas{Min: leastPods, Max: mostPods}
		p.Spec.TargetRef.Name = r.names()[0]
		if r.kind == aStatefulSet {
			p.Spec.TargetRef.Kind = aStatefulSet
		}
		if !r.colours() {
			return
		}
		p.Spec.BlueGreen = &v1alpha1.BlueGreen{Service: "web", OtherRef: p.Spec.TargetRef, Soak: &metav1.Duration{Duration: time.Minute}}
		p.Spec.BlueGreen.OtherRef.Name = r.names()[1]
		if r.kind == twoManaged {
			p.Spec.BlueGreen.Mode = v1alpha1.Managed
		}
	})
}

// change edits an object by hand.
func (r *run) change(ctx context.Context, o client.Object, f func()) error {
	patient := wait.Backoff{Steps: 20, Duration: 20 * time.Millisecond, Factor: 1.3, Jitter: 0.5} // its controller writes, too
	return retry.RetryOnConflict(patient, func() error {
		if err := kube.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		f()
		return kube.Update(ctx, o)
	})
}
