package cli

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/handoff"
	"github.com/loadline/loadline/policy/rollout"
)

type rolloutOptions struct {
	output string
	watch  bool
}

func newRollout(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollout",
		Short: "Look at what rollouts and scaling do to each other.",
		Args:  cobra.NoArgs,
		Run:   func(cmd *cobra.Command, _ []string) { _ = cmd.Help() },
	}
	cmd.AddCommand(newRolloutStatus(e))
	return cmd
}

func newRolloutStatus(e *env) *cobra.Command {
	var o rolloutOptions
	cmd := &cobra.Command{
		Use:   "status NAME",
		Short: "Print the rollout of a policy's target, what it holds, and what the HPA decides.",
		Long: "Print how far the rollout of a policy's target is, what holds the minimum meanwhile and until when, and what the\n" +
			"HorizontalPodAutoscaler would do without it. It changes nothing.\n\n" +
			"The exit code is 1 while a rollout does not go on by itself, or has been given up. With -w it is printed again\n" +
			"when it changes, until the command is interrupted.",
		Example: "  kubectl loadline rollout status web\n" +
			"  kubectl loadline rollout status web -w",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: e.completePolicies,
		RunE: runE(func(cmd *cobra.Command, args []string) error {
			return e.rolloutStatus(cmd.Context(), o, args[0])
		}),
	}
	fs := cmd.Flags()
	fs.StringVarP(&o.output, "output", "o", o.output, "Output format: yaml or json; text if it is left out.")
	fs.BoolVarP(&o.watch, "watch", "w", o.watch, "Go on and print it when it changes.")
	complete(cmd, "output", "yaml", "json")
	return cmd
}

func (e *env) rolloutStatus(ctx context.Context, o rolloutOptions, name string) error {
	switch {
	case o.output != "" && o.output != "yaml" && o.output != "json":
		return usagef("-o %s: must be yaml or json", o.output)
	case o.watch && o.output != "":
		return usagef("-w prints text: leave out -o")
	}
	c, err := e.cluster()
	if err != nil {
		return err
	}
	s := scope{namespace: c.namespace, name: name}
	policies, err := list[v1alpha1.AutoscalingPolicy](ctx, c, policiesResource(), s)
	if err != nil {
		return err
	}
	if len(policies) == 0 {
		return fmt.Errorf("there is no %s %s in the namespace %s", v1alpha1.Kind, name, s.namespace)
	}
	if o.watch {
		for t := policies[0].Scaled(); ; {
			next, err := e.watchRollout(ctx, c, s, t)
			if next == nil || err != nil {
				return err
			}
			t = *next
		}
	}
	hpas, err := list[autoscalingv2.HorizontalPodAutoscaler](ctx, c, hpasResource(), s)
	if err != nil {
		return err
	}
	var views []rollout.View
	target := policies[0].Scaled()
	if w := workloadOf(target); w != nil {
		if views, err = w.list(ctx, c, scope{namespace: s.namespace, name: target.Name}); err != nil {
			return err
		}
	}
	r := newRolloutReport(&policies[0], first(hpas), first(views))
	if o.output != "" {
		err = printData(e.Out, o.output, r)
	} else {
		err = r.print(e.Out)
	}
	if err == nil && r.stands() {
		return errTold
	}
	return err
}

// watchRollout prints the report of a policy when it changes, until its HPA scales another
// target, which it returns.
func (e *env) watchRollout(ctx context.Context, c *cluster, s scope, t v1alpha1.TargetReference) (next *v1alpha1.TargetReference, err error) {
	changed, trouble := make(chan struct{}, 1), &trouble{to: c.said}
	policies, readPolicies := follow[v1alpha1.AutoscalingPolicy](c, policiesResource(), s, changed, trouble)
	hpas, readHPAs := follow[autoscalingv2.HorizontalPodAutoscaler](c, hpasResource(), s, changed, trouble)
	readers := []cache.Controller{readPolicies, readHPAs}
	views := func() []rollout.View { return nil }
	if w := workloadOf(t); w != nil {
		now, read := w.follow(c, scope{namespace: s.namespace, name: t.Name}, changed, trouble)
		readers, views = append(readers, read), now
	}
	stop, synced := read(ctx, readers...)
	defer stop()
	if !synced {
		return nil, nil // interrupted
	}
	var last *rolloutReport
	for {
		p := first(held[v1alpha1.AutoscalingPolicy](policies))
		if p == nil {
			return nil, fmt.Errorf("the %s %s is gone", v1alpha1.Kind, s.name)
		}
		if is := p.Scaled(); is != t {
			return &is, nil
		}
		if r := newRolloutReport(p, first(held[autoscalingv2.HorizontalPodAutoscaler](hpas)), first(views())); !reflect.DeepEqual(r, last) {
			if last != nil {
				fmt.Fprintf(e.Out, "\n%s\n", e.now().Format("15:04:05"))
			}
			if err := r.print(e.Out); err != nil {
				return nil, err
			}
			last = r
		}
		if !waitFor(ctx, changed) || !waitFor(ctx, time.After(pace)) {
			return nil, nil
		}
	}
}

// workload reads objects of one kind as views.
type workload struct {
	resource schema.GroupVersionResource
	// side reads one as what a Service may select.
	side   func(*unstructured.Unstructured) (handoff.Workload, error)
	list   func(context.Context, *cluster, scope) ([]rollout.View, error)
	follow func(*cluster, scope, chan<- struct{}, *trouble) (func() []rollout.View, cache.Controller)
}

// workloadOf reads what a target names; nil where it is of no kind whose pods are watched.
func workloadOf(t v1alpha1.TargetReference) *workload {
	switch {
	case !floor.RollsOut(t):
		return nil
	case t.Kind == "Deployment":
		return newWorkload(appsv1.SchemeGroupVersion.WithResource("deployments"), rollout.OfDeployment)
	case t.Kind == "StatefulSet":
		return newWorkload(appsv1.SchemeGroupVersion.WithResource("statefulsets"), rollout.OfStatefulSet)
	case t.Kind == "ReplicaSet":
		return newWorkload(appsv1.SchemeGroupVersion.WithResource("replicasets"), rollout.OfReplicaSet)
	}
	return newWorkload(corev1.SchemeGroupVersion.WithResource("replicationcontrollers"), rollout.OfReplicationController)
}

func newWorkload[T any](resource schema.GroupVersionResource, view func(*T) rollout.View) *workload {
	views := func(all []T) []rollout.View {
		out := make([]rollout.View, 0, len(all))
		for i := range all {
			out = append(out, view(&all[i]))
		}
		return out
	}
	return &workload{
		resource: resource,
		side: func(u *unstructured.Unstructured) (handoff.Workload, error) {
			o, err := typed[T](u)
			if err != nil {
				return handoff.Workload{}, err
			}
			w := handoff.Workload{Found: true, View: view(o)}
			w.Labels, w.Selector = rollout.Pods(o)
			return w, nil
		},
		list: func(ctx context.Context, c *cluster, s scope) ([]rollout.View, error) {
			all, err := list[T](ctx, c, resource, s)
			return views(all), err
		},
		follow: func(c *cluster, s scope, changed chan<- struct{}, trouble *trouble) (func() []rollout.View, cache.Controller) {
			store, read := follow[T](c, resource, s, changed, trouble)
			return func() []rollout.View { return views(held[T](store)) }, read
		},
	}
}

func first[T any](all []T) *T {
	if len(all) == 0 {
		return nil
	}
	return &all[0]
}
