//go:build e2e

package policy

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
)

// rolledOut is the story of a new image and of the way back, on a StatefulSet, or on a
// Deployment with a strategy.
func rolledOut(kind string, strategy *appsv1.DeploymentStrategy) func(*testing.T, *chapter, string) lack {
	return func(t *testing.T, c *chapter, by string) lack {
		ns := namespace(t)
		object := metav1.ObjectMeta{Namespace: ns, Name: "web", Labels: map[string]string{tale: "yes"}}
		selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
		target := v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "web"}
		if strategy == nil {
			create(t, &appsv1.StatefulSet{ObjectMeta: object, Spec: appsv1.StatefulSetSpec{
				Replicas: ptr.To(int32(storyPods)), Selector: selector, ServiceName: "web", Template: telling("web", "v1"),
			}})
		} else {
			target.Kind = "Deployment"
			create(t, storyDeployment(ns, "web", storyPods, *strategy))
		}
		c.front(t, ns, "app", "web")
		c.scaled(t, ns, by, target)

		began := time.Now()
		c.observer.begin(ns)
		prompt(t, ns, "set", "image", kind+"/web", "web=remindmeapi:v2")
		if by == guarded {
			conditioned(t, ns, "web", v1alpha1.Held, "True "+decide.HeldByRollout, 3*soon)
			prompt(t, ns, "get", "hpa,asp")
			has(t, prompt(t, ns, "loadline", "rollout", "status", "web"), "Holds:", "3 pods")
		}
		prompt(t, ns, "rollout", "status", kind+"/web", "--timeout=2m")
		has(t, prompt(t, ns, "rollout", "history", kind+"/web"), "\n1 ", "\n2 ")
		prompt(t, ns, "rollout", "undo", kind+"/web")
		prompt(t, ns, "rollout", "status", kind+"/web", "--timeout=2m")
		if by == guarded {
			prompt(t, ns, "get", "hpa,asp")
			prompt(t, ns, "loadline", "rollout", "status", "web")
		}
		has(t, prompt(t, ns, "rollout", "history", kind+"/web"), "\n2 ", "\n3 ")
		has(t, prompt(t, ns, "get", kind, "web", "--output=wide"), "remindmeapi:v1")
		return c.told(t, ns, began)
	}
}

func storyDeployment(ns, name string, n int32, strategy appsv1.DeploymentStrategy) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{tale: "yes"}}, Spec: appsv1.DeploymentSpec{
		Replicas: ptr.To(n), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
		Template: telling(name, "v1"), Strategy: strategy, MinReadySeconds: 2,
	}}
}

// flipped is the story of a Service that goes from blue, which the HPA has given its size,
// to green, which is as large as its manifest says: by hand, or by a managed switch.
func flipped(t *testing.T, c *chapter, by string) lack {
	ns := namespace(t)
	create(t, storyDeployment(ns, "blue", storyPods, *surging()))
	create(t, storyDeployment(ns, "green", 1, *surging()))
	served(t, ns, "green", 1)
	c.front(t, ns, "app", "blue")
	target := v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "blue"}
	maySwitch(t, ns)
	c.scaled(t, ns, by, target, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.BlueGreen = &v1alpha1.BlueGreen{Service: "web", OtherRef: target, Mode: v1alpha1.Managed, Soak: &metav1.Duration{Duration: time.Minute}}
		p.Spec.BlueGreen.OtherRef.Name = "green"
	})

	began := time.Now()
	c.observer.begin(ns)
	if by == bare {
		prompt(t, ns, "patch", "service", "web", "--patch", `{"spec":{"selector":{"app":"green"}}}`)
		return c.told(t, ns, began)
	}
	prompt(t, ns, "loadline", "switch", "web")
	prompt(t, ns, "get", "hpa,asp,deployment")
	has(t, prompt(t, ns, "loadline", "rollout", "status", "web"), "Soaking")
	has(t, prompt(t, ns, "get", "service", "web", "--output=wide"), "app=green")
	return c.told(t, ns, began)
}

// succeeded is the chapter's own story: a ReplicationController takes the place of the one
// that the HPA scales, with the size of its manifest, and the old one is taken away.
func succeeded(t *testing.T, c *chapter, by string) lack {
	ns := namespace(t)
	rc := func(name string, n int32) {
		template := telling(name, name)
		create(t, &corev1.ReplicationController{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{tale: "yes"}},
			Spec:       corev1.ReplicationControllerSpec{Replicas: &n, Selector: map[string]string{"app": name}, Template: &template},
		})
	}
	rc("v1", storyPods)
	c.front(t, ns, "part", "web")
	maySwitch(t, ns)
	c.scaled(t, ns, by, v1alpha1.TargetReference{APIVersion: "v1", Kind: "ReplicationController", Name: "v1"}, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Rollout = &v1alpha1.Rollout{Predecessor: v1alpha1.ScaleToZero}
	})

	began := time.Now()
	c.observer.begin(ns)
	rc("v2", 1)
	prompt(t, ns, "wait", "--for=jsonpath={.status.readyReplicas}=1", "rc/v2", "--timeout=1m")
	if by == bare {
		prompt(t, ns, "delete", "rc", "v1")
		return c.told(t, ns, began)
	}
	prompt(t, ns, "patch", "asp", "web", "--type=merge", "--patch", `{"spec":{"targetRef":{"name":"v2"}}}`)
	prompt(t, ns, "get", "hpa,asp,rc")
	prompt(t, ns, "wait", "--for=jsonpath={.spec.replicas}=0", "rc/v1", "--timeout=1m")
	prompt(t, ns, "get", "hpa,asp,rc")
	return c.told(t, ns, began)
}
