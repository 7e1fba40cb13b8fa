package guard

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func requestsShift() Mode {
	return Mode{
		ID: 21, Name: "requests-shift", Severity: High,
		Summary: "the requests change, in share of which the HPA scales: by a VerticalPodAutoscaler or by a release",
		Why: "utilization is use divided by request: with another request the same load is another share, and so another number of pods; " +
			"with a VerticalPodAutoscaler on the same resource each answers the other's change",
		Remedy: "give the HPA a target of type AverageValue, or have the VerticalPodAutoscaler control the other resource only (controlledResources)",
		Needs:  []Kind{HorizontalPodAutoscaler, Deployment},
		Also:   []Kind{VerticalPodAutoscaler},
		check: func(w *world, r *result) {
			vertical := w.vertical()
			w.each(func(s *scaler, t *workload) {
				for i := range s.hpa.Spec.Metrics {
					of, container, ok := utilization(&s.hpa.Spec.Metrics[i])
					if !ok {
						continue
					}
					for _, v := range vertical[s.target] {
						if v.controls(container, of) {
							r.find(s.Object, s.metricField(i, "target.averageUtilization"), fmt.Sprintf("%s changes the requests for %s of the %s, in share of which this HPA scales it", v.Object, of, s.targetName()), v.Object)
						}
					}
					w.shifted(r, s, t, i)
				}
			})
		},
	}
}

// shifted finds a request that a change moves by more than the HPA's tolerance.
func (w *world) shifted(r *result, s *scaler, t *workload, i int) {
	of, container, _ := utilization(&s.hpa.Spec.Metrics[i])
	if w.old == nil || t.template == nil {
		return
	}
	before := w.old.byKey[s.target]
	if before == nil || before.template == nil {
		return
	}
	was, is := w.old.requestOf(before, of, container), w.requestOf(t, of, container)
	if was <= 0 || is <= 0 {
		return
	}
	const tolerance = 0.1 // an HPA's, if nobody says otherwise
	if ratio := is / was; ratio > 1+tolerance || ratio < 1-tolerance {
		field := path(t.at, "spec.containers")
		if at, c := t.container(container); c != nil {
			field = at
		}
		if len(t.template.Spec.Containers) == 1 {
			field = path(t.at, "spec.containers", 0) + ".resources.requests." + string(of)
		}
		r.advise(t.Object, field, fmt.Sprintf("the request for %s of a pod changes to %.0f %% of what it was: at the same load %s wants %.0f %% of the pods", of, 100*ratio, s.Object, 100/ratio),
			"set the HPA's averageUtilization anew together with the request, or use a target of type AverageValue", s.Object)
	}
}

// requestOf is the request of the pods of a workload, or of one of their containers; 0
// if it has none.
func (w *world) requestOf(t *workload, of corev1.ResourceName, container string) float64 {
	if container == "" {
		q := w.podRequest(t.Namespace, &t.template.Spec, of)
		return q.AsApproximateFloat64()
	}
	_, c := t.container(container)
	if c == nil {
		return 0
	}
	q, _ := w.request(t.Namespace, c, of)
	return q.AsApproximateFloat64()
}

// vpa is a VerticalPodAutoscaler that changes requests.
type vpa struct {
	Object
	policies []vpaPolicy
}

type vpaPolicy struct {
	container string // * is all others
	off       bool
	resources []string // both if empty
}

// vertical are the VerticalPodAutoscalers that do more than recommend, by target.
func (w *world) vertical() map[key][]vpa {
	all := map[key][]vpa{}
	for _, u := range w.Others {
		if KindOf(u.GroupVersionKind().GroupKind()) != VerticalPodAutoscaler {
			continue
		}
		if mode, _, _ := unstructured.NestedString(u.Object, "spec", "updatePolicy", "updateMode"); mode == "Off" {
			continue
		}
		field := func(name string) string {
			text, _, _ := unstructured.NestedString(u.Object, "spec", "targetRef", name)
			return text
		}
		target := Object{APIVersion: field("apiVersion"), Kind: field("kind"), Namespace: u.GetNamespace(), Name: field("name")}
		v := vpa{Object: Object{APIVersion: u.GetAPIVersion(), Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName()}}
		list, _, _ := unstructured.NestedSlice(u.Object, "spec", "resourcePolicy", "containerPolicies")
		for _, p := range list {
			if p, ok := p.(map[string]any); ok {
				name, _, _ := unstructured.NestedString(p, "containerName")
				mode, _, _ := unstructured.NestedString(p, "mode")
				resources, _, _ := unstructured.NestedStringSlice(p, "controlledResources")
				v.policies = append(v.policies, vpaPolicy{container: name, off: mode == "Off", resources: resources})
			}
		}
		all[target.key()] = append(all[target.key()], v)
	}
	return all
}

// controls says whether it changes a container's requests for a resource; of any
// container if none is named.
func (v vpa) controls(container string, of corev1.ResourceName) bool {
	rest := true // what no policy is about is controlled
	for _, p := range v.policies {
		does := !p.off && (len(p.resources) == 0 || slices.Contains(p.resources, string(of)))
		switch {
		case p.container == "*":
			rest = does
		case container != "" && p.container == container:
			return does
		case container == "" && does:
			return true
		}
	}
	return rest
}
