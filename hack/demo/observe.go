package demo

import (
	"context"
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/hack/lab"
)

// observe reads the HPAs, their targets and the load drivers. The moment and
// the phase are the caller's.
func (d *demo) observe(ctx context.Context, traffic *traffic) (Observation, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := d.lab.Client.AutoscalingV2().HorizontalPodAutoscalers(lab.RemindMeNamespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return Observation{}, err
	}
	o := Observation{Loads: traffic.loads()}
	// In the order of the requests' way, which is not the alphabet's.
	for _, name := range []string{"remindmeweb", "remindmeapi", "remindme-worker"} {
		found := false
		for i := range list.Items {
			if h := &list.Items[i]; h.Name == name {
				found = true
				s := Read(h)
				if s.Replicas, s.Ready, err = d.pods(ctx, h); err != nil {
					return Observation{}, err
				}
				o.Scalers = append(o.Scalers, s)
			}
		}
		if !found {
			return Observation{}, fmt.Errorf("no HorizontalPodAutoscaler %s/%s", lab.RemindMeNamespace, name)
		}
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
