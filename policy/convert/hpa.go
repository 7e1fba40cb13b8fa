package convert

import (
	"fmt"
	"slices"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// FromV1 returns the policy of an HPA of autoscaling/v1, or nil where a Problem is an
// Error. What the API server keeps in annotations when it shows an HPA as v1 is refused.
func FromV1(h *autoscalingv1.HorizontalPodAutoscaler) (*v1alpha1.AutoscalingPolicy, []hpa.Problem) {
	v2, found := toV2(h)
	if v2 == nil {
		return nil, found
	}
	return FromV2(v2)
}

// toV2 returns an HPA of autoscaling/v1 as the API server shows it in v2, or nil with what
// it cannot be read without.
func toV2(h *autoscalingv1.HorizontalPodAutoscaler) (*autoscalingv2.HorizontalPodAutoscaler, []hpa.Problem) {
	var found problems
	// pkg/apis/autoscaling/annotations.go; those of the status do not matter.
	for _, key := range []string{"metrics", "behavior", "scale-down-tolerance", "scale-up-tolerance"} {
		key = "autoscaling.alpha.kubernetes.io/" + key
		if _, ok := h.Annotations[key]; ok {
			found.refuse(field.NewPath("metadata", "annotations").Key(key), "it is a part of the spec that autoscaling/v1 has no field for",
				"get the HPA as autoscaling/v2: kubectl get hpa.v2.autoscaling "+h.Name)
		}
	}
	if hpa.Failed(found) {
		return nil, found
	}
	v2 := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: *h.ObjectMeta.DeepCopy(),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference(h.Spec.ScaleTargetRef),
			MinReplicas:    h.Spec.MinReplicas,
			MaxReplicas:    h.Spec.MaxReplicas,
		},
	}
	if h.Spec.TargetCPUUtilizationPercentage != nil {
		m := hpa.DefaultMetric()
		m.Resource.Target.AverageUtilization = h.Spec.TargetCPUUtilizationPercentage
		v2.Spec.Metrics = []autoscalingv2.MetricSpec{m}
	}
	return v2, nil
}

// FromV2 returns the policy that makes an HPA like h, of the same name, or nil where a
// Problem is an Error: h has something that a policy cannot say. What h leaves out is
// taken as the API server fills it in; only an absent behavior becomes a profile, and
// a Warning. Labels and annotations are not carried over.
func FromV2(h *autoscalingv2.HorizontalPodAutoscaler) (*v1alpha1.AutoscalingPolicy, []hpa.Problem) {
	h = h.DeepCopy()
	var found problems
	found.owner(h)
	p := &v1alpha1.AutoscalingPolicy{
		TypeMeta:   typeMeta(),
		ObjectMeta: metav1.ObjectMeta{Name: h.Name, Namespace: h.Namespace},
		Spec: v1alpha1.AutoscalingPolicySpec{
			TargetRef: found.target(h.Spec.ScaleTargetRef),
			Replicas:  v1alpha1.Replicas{Min: 1, Max: h.Spec.MaxReplicas},
		},
	}
	if h.Spec.MinReplicas != nil {
		p.Spec.Replicas.Min = *h.Spec.MinReplicas
	}
	p.Spec.Objectives = found.objectives(h)
	p.Spec.Profile, p.Spec.Behavior = found.behavior(h.Spec.Behavior)
	if !hpa.Failed(found) {
		found = append(found, hpa.Check(p)...)
	}
	if hpa.Failed(found) {
		return nil, found
	}
	return p, found
}

type problems []hpa.Problem

func (p *problems) refuse(at *field.Path, message, remedy string) {
	*p = append(*p, hpa.Problem{Level: hpa.Error, Field: at.String(), Message: message, Remedy: remedy})
}

func (p *problems) warn(at *field.Path, message, remedy string) {
	*p = append(*p, hpa.Problem{Level: hpa.Warning, Field: at.String(), Message: message, Remedy: remedy})
}

// owner refuses an HPA that somebody makes, and would go on making. Of a policy that
// leaves its HPA behind there is only the label, which says less.
func (p *problems) owner(h *autoscalingv2.HorizontalPodAutoscaler) {
	if o := metav1.GetControllerOf(h); o != nil {
		p.refuse(field.NewPath("metadata", "ownerReferences"), fmt.Sprintf("the HPA is made by the %s %s, which would go on writing it", o.Kind, o.Name),
			"change or delete that one")
		return
	}
	if policy := h.Labels[hpa.PolicyLabel]; policy != "" {
		p.warn(field.NewPath("metadata", "labels").Key(hpa.PolicyLabel), fmt.Sprintf("the HPA was made by the policy %s: its minReplicas may be that of a floor", policy),
			"change that policy if it is still there")
	}
}

func (p *problems) target(r autoscalingv2.CrossVersionObjectReference) v1alpha1.TargetReference {
	t := v1alpha1.TargetReference{APIVersion: r.APIVersion, Kind: r.Kind, Name: r.Name}
	if old := "extensions/v1beta1"; t.APIVersion == old && (t.Kind == "Deployment" || t.Kind == "ReplicaSet") {
		// Kubernetes 1.16 took it away, and old HPAs still say it: their targets are in apps.
		t.APIVersion = "apps/v1"
		p.warn(field.NewPath("spec", "scaleTargetRef", "apiVersion"), fmt.Sprintf("%s is gone: the policy says apps/v1, which has the same %s", old, t.Kind), "")
		return t
	}
	if t.APIVersion == "" {
		// The HPA controller reads none as v1, which has one kind with a scale.
		if t.Kind == "ReplicationController" {
			t.APIVersion = "v1"
			return t
		}
		p.refuse(field.NewPath("spec", "scaleTargetRef", "apiVersion"), "it is missing", "give it, such as apps/v1")
	}
	return t
}

// behavior prefers a profile's name to its numbers.
func (p *problems) behavior(b *autoscalingv2.HorizontalPodAutoscalerBehavior) (v1alpha1.Profile, *autoscalingv2.HorizontalPodAutoscalerBehavior) {
	at := field.NewPath("spec", "behavior")
	if b == nil {
		p.warn(at, "the HPA has none: the policy has the profile Balanced, which scales up as before and lets a quarter of the pods go each 30 seconds, not all at once",
			"give behavior: {} in the policy to have it as before")
		return v1alpha1.Balanced, nil
	}
	every := hpa.Capabilities{Tolerance: true}
	full := hpa.Behavior(&v1alpha1.AutoscalingPolicySpec{Behavior: b}, every)
	for _, name := range []v1alpha1.Profile{v1alpha1.Steady, v1alpha1.Balanced, v1alpha1.Responsive} {
		if equality.Semantic.DeepEqual(full, hpa.Behavior(&v1alpha1.AutoscalingPolicySpec{Profile: name}, every)) {
			return name, nil
		}
	}
	return "", b
}

func (p *problems) objectives(h *autoscalingv2.HorizontalPodAutoscaler) []v1alpha1.Objective {
	at := field.NewPath("spec", "metrics")
	metrics := h.Spec.Metrics
	if len(metrics) == 0 {
		metrics = []autoscalingv2.MetricSpec{hpa.DefaultMetric()}
		p.warn(at, "the HPA has none: it follows 80% of the cpu requested, and so does the policy", "")
	}
	out := make([]v1alpha1.Objective, 0, len(metrics))
	for i := range metrics {
		o, ok := p.objective(at.Index(i), &metrics[i])
		if !ok {
			continue
		}
		// A policy has one requestRate: a second one is a custom metric.
		if o.RequestRate != nil && slices.ContainsFunc(out, func(o v1alpha1.Objective) bool { return o.RequestRate != nil }) {
			r := o.RequestRate
			o = v1alpha1.Objective{Custom: &v1alpha1.Custom{Metric: hpa.RequestRateMetric, Selector: r.Selector, PerPod: &r.PerPod}}
		}
		out = append(out, o)
	}
	return out
}

// queryOf returns the policy whose query an external metric is.
func queryOf(metric string) (policy string, ok bool) {
	rest, ours := strings.CutPrefix(metric, hpa.QueryPrefix)
	// The query's own name has no dot.
	dot := strings.LastIndex(rest, ".")
	if !ours || dot < 0 {
		return "", false
	}
	return rest[:dot], true
}
