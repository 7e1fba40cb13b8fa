package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/arithmetic"
	"github.com/loadline/loadline/policy/chain"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// maxRivals is of how many other HPAs the targets are looked at.
const maxRivals = 50

// gatherer reads what there is to one HPA.
type gatherer struct {
	client    rest.Interface
	namespace string
	hpa       *autoscalingv2.HorizontalPodAutoscaler
}

// gather reads all that an HPA's decision is made from. Without the HPA there is an error;
// what else cannot be read is in the result.
func (c *cluster) gather(ctx context.Context, name string, now func() time.Time) (*chain.Input, error) {
	client, err := c.anyPath()
	if err != nil {
		return nil, err
	}
	g := &gatherer{client: client, namespace: c.namespace, hpa: &autoscalingv2.HorizontalPodAutoscaler{}}
	q := question{
		of: autoscalingv2.SchemeGroupVersion, right: "get horizontalpodautoscalers",
		absent: fmt.Sprintf("there is no HPA %s in the namespace %s", name, c.namespace), remedy: "kubectl get hpa -A lists them",
	}
	if b := fetch(ctx, g.get(q.of).Namespace(g.namespace).Resource("horizontalpodautoscalers").Name(name), q, g.hpa); b != nil {
		return nil, fmt.Errorf("%s: %s", b.Reason, b.Remedy)
	}
	in := &chain.Input{HPA: g.hpa, Settings: arithmetic.DefaultSettings()}
	note := func(b *chain.Break) {
		if b != nil {
			in.Broken = append(in.Broken, *b)
		}
	}
	var b *chain.Break
	in.Policy, b = g.policy(ctx)
	note(b)
	in.Scale, b = g.scale(ctx, g.hpa.Spec.ScaleTargetRef)
	note(b)
	// The controller asks with the selector as it reads it.
	var selector *string
	if in.Scale != nil && in.Scale.Status.Selector != "" {
		if parsed, err := labels.Parse(in.Scale.Status.Selector); err == nil {
			text := parsed.String()
			selector = &text
		}
	}
	var reading sync.WaitGroup
	var unread *chain.Break
	if selector != nil {
		reading.Go(func() { in.Pods, unread = g.pods(ctx, *selector) })
	}
	in.Answers = make([]chain.Answer, len(g.hpa.Spec.Metrics))
	g.answers(ctx, selector, in.Answers, &reading)
	diagnosed := g.diagnoses(ctx, selector, &reading)
	reading.Wait()
	in.Undiagnosed = diagnosed.into(in.Answers)
	in.Now = now()
	in.PodsUnread = unread != nil
	note(unread)
	in.Rivals, b = g.rivals(ctx, in.Pods)
	note(b)
	return in, nil
}

// anyPath is a client for any path: that of discovery is one.
func (c *cluster) anyPath() (rest.Interface, error) {
	client, err := discovery.NewDiscoveryClientForConfig(c.config)
	if err != nil {
		return nil, err
	}
	return client.RESTClient(), nil
}

// get begins a read below an API's path, whose deadline is that of its context.
func (g *gatherer) get(of schema.GroupVersion) *rest.Request {
	return g.client.Get().AbsPath(root(of)).Timeout(0)
}

// root is the path of an API, or of its group where the version is empty.
func root(of schema.GroupVersion) string {
	if of.Group == "" {
		return "/api/" + of.Version
	}
	return strings.TrimSuffix("/apis/"+of.Group+"/"+of.Version, "/")
}

// policy reads the one that the HPA was made from; nil if it was made from none, or that is
// gone.
func (g *gatherer) policy(ctx context.Context) (*v1alpha1.AutoscalingPolicy, *chain.Break) {
	name := g.hpa.Labels[hpa.PolicyLabel]
	if name == "" {
		return nil, nil
	}
	q := question{at: "policy", of: v1alpha1.GroupVersion, right: "get " + v1alpha1.Plural, optional: true}
	p := &v1alpha1.AutoscalingPolicy{}
	if b := fetch(ctx, g.get(q.of).Namespace(g.namespace).Resource(v1alpha1.Plural).Name(name), q, p); b != nil || p.Name == "" {
		return nil, b // of a policy that is gone there is a plain HPA left
	}
	return p, nil
}

// scale reads the scale subresource of a target.
func (g *gatherer) scale(ctx context.Context, t autoscalingv2.CrossVersionObjectReference) (*autoscalingv1.Scale, *chain.Break) {
	resource, b := g.resource(ctx, "target", t)
	if b != nil {
		return nil, b
	}
	q := question{
		at: "target", of: resource.GroupVersion(), right: "get " + resource.Resource + "/scale",
		absent: fmt.Sprintf("%s %s, or a scale of it, is not there", t.Kind, t.Name),
		remedy: "correct spec.scaleTargetRef, or make the target; its kind has to have a scale subresource",
	}
	s := &autoscalingv1.Scale{}
	if b := fetch(ctx, g.get(q.of).Namespace(g.namespace).Resource(resource.Resource).Name(t.Name).SubResource("scale"), q, s); b != nil {
		return nil, b
	}
	return s, nil
}

// resource is that of the kind of an object. Of kinds that are not built in the cluster is
// asked.
func (g *gatherer) resource(ctx context.Context, at string, o autoscalingv2.CrossVersionObjectReference) (schema.GroupVersionResource, *chain.Break) {
	gvk := schema.FromAPIVersionAndKind(o.APIVersion, o.Kind)
	if known, ok := builtIn(gvk.GroupKind()); ok {
		return known, nil
	}
	q := question{
		at: at, of: schema.GroupVersion{Group: gvk.Group, Version: "v1"}, right: "get the URL " + root(schema.GroupVersion{Group: gvk.Group}),
		absent: fmt.Sprintf("the cluster does not know the kind %s of %s", o.Kind, cmp.Or(o.APIVersion, "no apiVersion, which is the core group")),
		remedy: "correct the apiVersion of the reference, or install what brings the kind",
	}
	if gvk.Group != "" {
		// As for the controller, the version is the one that the server prefers.
		var group metav1.APIGroup
		q.of.Version = ""
		if b := fetch(ctx, g.get(q.of), q, &group); b != nil {
			return schema.GroupVersionResource{}, b
		}
		q.of.Version = group.PreferredVersion.Version
	}
	var list metav1.APIResourceList
	if b := fetch(ctx, g.get(q.of), q, &list); b != nil {
		return schema.GroupVersionResource{}, b
	}
	for _, r := range list.APIResources {
		if r.Kind == o.Kind && !strings.Contains(r.Name, "/") {
			return q.of.WithResource(r.Name), nil
		}
	}
	return schema.GroupVersionResource{}, &chain.Break{At: at, Reason: q.absent, Remedy: q.remedy}
}

// builtIn are the resources of the kinds that HPAs are mostly about.
func builtIn(of schema.GroupKind) (schema.GroupVersionResource, bool) {
	resource, ok := map[schema.GroupKind]schema.GroupVersionResource{
		{Group: "apps", Kind: "Deployment"}:           {Group: "apps", Version: "v1", Resource: "deployments"},
		{Group: "apps", Kind: "ReplicaSet"}:           {Group: "apps", Version: "v1", Resource: "replicasets"},
		{Group: "apps", Kind: "StatefulSet"}:          {Group: "apps", Version: "v1", Resource: "statefulsets"},
		{Kind: "ReplicationController"}:               {Version: "v1", Resource: "replicationcontrollers"},
		{Kind: "Namespace"}:                           {Version: "v1", Resource: "namespaces"},
		{Kind: "Pod"}:                                 {Version: "v1", Resource: "pods"},
		{Kind: "Service"}:                             {Version: "v1", Resource: "services"},
		{Group: "networking.k8s.io", Kind: "Ingress"}: {Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
	}[of]
	return resource, ok
}

// rivals are other HPAs whose targets' selectors find one of pods. The controller says in its
// condition that there are some, so that they are looked for only where it does, or where it
// has said nothing yet.
func (g *gatherer) rivals(ctx context.Context, pods []corev1.Pod) ([]string, *chain.Break) {
	active := floor.Condition(g.hpa, autoscalingv2.ScalingActive)
	if len(pods) == 0 || active != nil && active.Reason != arithmetic.AmbiguousSelector {
		return nil, nil
	}
	q := question{at: "HPA", of: autoscalingv2.SchemeGroupVersion, right: "list horizontalpodautoscalers"}
	var hpas autoscalingv2.HorizontalPodAutoscalerList
	if b := fetch(ctx, g.get(q.of).Namespace(g.namespace).Resource("horizontalpodautoscalers").Param("limit", fmt.Sprint(pageSize)), q, &hpas); b != nil {
		return nil, b
	}
	var found []string
	looked := 0
	for i := range hpas.Items {
		other := &hpas.Items[i]
		if other.Name == g.hpa.Name {
			continue
		}
		if looked++; looked > maxRivals || ctx.Err() != nil {
			break
		}
		s, b := g.scale(ctx, other.Spec.ScaleTargetRef)
		if b != nil {
			continue // nor does the controller know its pods
		}
		if finds(s.Status.Selector, pods) {
			found = append(found, other.Namespace+"/"+other.Name)
		}
	}
	return found, nil
}

func finds(selector string, pods []corev1.Pod) bool {
	parsed, err := labels.Parse(selector)
	if err != nil || selector == "" {
		return false
	}
	for i := range pods {
		if parsed.Matches(labels.Set(pods[i].Labels)) {
			return true
		}
	}
	return false
}
