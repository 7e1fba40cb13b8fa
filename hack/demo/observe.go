package demo

import (
	"context"
	"fmt"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// observe reads the HPAs, their policies and targets, and the load drivers. The moment
// and the phase are the caller's.
func (d *demo) observe(ctx context.Context, traffic *traffic) (Observation, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := d.lab.Client.AutoscalingV2().HorizontalPodAutoscalers(lab.RemindMeNamespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return Observation{}, err
	}
	// After the HPAs: a policy says why it raises a minimum before it does.
	policies, err := d.lab.Policies(ctx, lab.RemindMeNamespace)
	if err != nil {
		return Observation{}, err
	}
	o := Observation{Loads: traffic.loads()}
	// In the order of the requests' way, which is not the alphabet's.
	for _, name := range []string{web, "remindmeapi", worker} {
		h := slices.IndexFunc(list.Items, func(h autoscalingv2.HorizontalPodAutoscaler) bool { return h.Name == name })
		p := slices.IndexFunc(policies, func(p v1alpha1.AutoscalingPolicy) bool { return p.Name == name })
		if h < 0 || p < 0 {
			return Observation{}, fmt.Errorf("HorizontalPodAutoscaler %s/%s there: %t; AutoscalingPolicy: %t", lab.RemindMeNamespace, name, h >= 0, p >= 0)
		}
		s := Read(&list.Items[h])
		s.Policy = ReadPolicy(&policies[p], &list.Items[h])
		if s.Replicas, s.Ready, err = d.pods(ctx, &list.Items[h]); err != nil {
			return Observation{}, err
		}
		o.Scalers = append(o.Scalers, s)
	}
	return o, nil
}

// pods returns how many pods the HPA's target has, and how many are ready.
func (d *demo) pods(ctx context.Context, h *autoscalingv2.HorizontalPodAutoscaler) (replicas, ready int32, err error) {
	apps, target := d.lab.Client.AppsV1(), h.Spec.ScaleTargetRef
	switch target.Kind {
	case "Deployment":
		w, err := apps.Deployments(h.Namespace).Get(ctx, target.Name, metav1.GetOptions{})
		if err != nil {
			return 0, 0, err
		}
		return w.Status.Replicas, w.Status.ReadyReplicas, nil
	case "StatefulSet":
		w, err := apps.StatefulSets(h.Namespace).Get(ctx, target.Name, metav1.GetOptions{})
		if err != nil {
			return 0, 0, err
		}
		return w.Status.Replicas, w.Status.ReadyReplicas, nil
	}
	return 0, 0, fmt.Errorf("HorizontalPodAutoscaler %s: target kind %s: only Deployment and StatefulSet are known here", h.Name, target.Kind)
}
