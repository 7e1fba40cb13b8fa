package hpa

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// tooMuch is where the thousandths of a target no longer fit an HPA's int64.
const tooMuch = 9_000_000_000_000_000

func (p *problems) objectives(at *field.Path, policy *v1alpha1.AutoscalingPolicy) {
	all := policy.Spec.Objectives
	switch {
	case len(all) == 0:
		p.refuse(at, "there is no objective", "give at least one, since an HPA without follows the CPU")
	case len(all) > maxObjectives:
		p.refusef(at, "", "there are %d objectives, more than %d", len(all), maxObjectives)
	}
	for i := range all {
		p.objective(at.Index(i), &all[i])
	}
	p.duplicates(at, policy)
}

func (p *problems) objective(at *field.Path, o *v1alpha1.Objective) {
	if set := kindsOf(o); len(set) != 1 {
		message := "it says nothing to follow"
		if len(set) > 1 {
			message = "it has " + strings.Join(set, " and ")
		}
		p.refuse(at, message, "give exactly one of requestRate, queue, cpu, memory, custom, external, query")
	}
	if r := o.RequestRate; r != nil {
		at := at.Child("requestRate")
		p.target(at.Child("perPod"), &r.PerPod)
		p.metricName(at.Child("metric"), r.Metric)
		p.selector(at.Child("selector"), r.Selector)
	}
	if o.Queue != nil {
		p.queue(at.Child("queue"), o.Queue)
	}
	if o.CPU != nil {
		p.resource(at.Child("cpu"), o.CPU)
		if q := o.CPU.PerPod; q != nil && q.Sign() > 0 && atLeast(q, 100) && !atLeast(q, tooMuch) {
			p.warnf(at.Child("cpu", "perPod"), "give thousandths of one with m, such as 500m", "it is %s cores", q)
		}
	}
	if o.Memory != nil {
		p.memory(at.Child("memory"), o.Memory)
	}
	if o.Custom != nil {
		p.custom(at.Child("custom"), o.Custom)
	}
	if e := o.External; e != nil {
		at := at.Child("external")
		p.required(at.Child("metric"), e.Metric, 253)
		p.metricName(at.Child("metric"), e.Metric)
		p.selector(at.Child("selector"), e.Selector)
		p.perPodOrValue(at, e.PerPod, e.Value)
	}
	if q := o.Query; q != nil {
		at := at.Child("query")
		if p.required(at.Child("name"), q.Name, 40) && !shortName.MatchString(q.Name) {
			p.refusef(at.Child("name"), "use a-z, 0-9 and -", "%q is no name of a query", q.Name)
		}
		p.required(at.Child("expr"), q.Expr, 2048)
		p.perPodOrValue(at, q.PerPod, q.Value)
	}
}

func kindsOf(o *v1alpha1.Objective) []string {
	var set []string
	for _, one := range []struct {
		name string
		set  bool
	}{
		{"requestRate", o.RequestRate != nil}, {"queue", o.Queue != nil}, {"cpu", o.CPU != nil}, {"memory", o.Memory != nil},
		{"custom", o.Custom != nil}, {"external", o.External != nil}, {"query", o.Query != nil},
	} {
		if one.set {
			set = append(set, one.name)
		}
	}
	return set
}

func (p *problems) queue(at *field.Path, q *v1alpha1.Queue) {
	switch {
	case (q.Name == "") == (q.Selector == nil):
		p.refuse(at, "a queue is told by its name or by a selector", "give one of the two, since a metric without either is the sum of all queues")
	case q.Selector != nil && len(q.Selector.MatchLabels)+len(q.Selector.MatchExpressions) == 0:
		p.warn(at.Child("selector"), "it is empty, so that the sum of all queues counts", "give labels")
	}
	if q.Name != "" {
		for _, reason := range validation.IsValidLabelValue(q.Name) {
			p.refusef(at.Child("name"), "", "%q is no value of the label %s (%s)", q.Name, QueueLabel, reason)
		}
	}
	p.target(at.Child("perPod"), &q.PerPod)
	p.metricName(at.Child("metric"), q.Metric)
	p.selector(at.Child("selector"), q.Selector)
}

func (p *problems) resource(at *field.Path, r *v1alpha1.Resource) {
	if (r.Utilization == nil) == (r.PerPod == nil) {
		p.refuse(at, "it needs one target", "give exactly one of utilization, perPod")
	}
	if r.Utilization != nil && p.within(at.Child("utilization"), *r.Utilization, 1, 1000) {
		p.once(at.Child("utilization"), "a pod without a request stops it", "set requests, or give perPod")
	}
	if r.PerPod != nil {
		p.target(at.Child("perPod"), r.PerPod)
	}
	if r.Container != "" && p.atMost(at.Child("container"), r.Container, 63) && !shortName.MatchString(r.Container) {
		p.refusef(at.Child("container"), "use a-z, 0-9 and -", "%q is no name of a container", r.Container)
	}
}

func (p *problems) memory(at *field.Path, r *v1alpha1.Resource) {
	p.resource(at, r)
	p.warn(at, "few programs give memory back, so that pods added for it rarely go", "add an objective that follows the load")
	if q := r.PerPod; q != nil && q.Sign() > 0 && !atLeast(q, 1<<20) {
		p.warn(at.Child("perPod"), "it is less than a mebibyte", "give a number of them with Mi, such as 200Mi")
	}
}

func (p *problems) custom(at *field.Path, c *v1alpha1.Custom) {
	p.required(at.Child("metric"), c.Metric, 253)
	p.metricName(at.Child("metric"), c.Metric)
	p.selector(at.Child("selector"), c.Selector)
	if c.Object != nil {
		p.object(at.Child("object"), c.Object.APIVersion, c.Object.Kind, c.Object.Name)
	} else if c.Value != nil {
		p.refuse(at.Child("value"), "value is for a metric of an object", "of the pods give perPod")
	}
	p.perPodOrValue(at, c.PerPod, c.Value)
}

func (p *problems) perPodOrValue(at *field.Path, perPod, value *resource.Quantity) {
	if (perPod == nil) == (value == nil) {
		p.refuse(at, "it needs one target", "give exactly one of perPod, value")
	}
	if perPod != nil {
		p.target(at.Child("perPod"), perPod)
	}
	if value != nil {
		p.target(at.Child("value"), value)
		// Value multiplies the ready pods by the metric over the target, surge and
		// terminating pods of a rollout included; with none ready the product is 0.
		p.warn(at.Child("value"), "the size is multiplied by metric/value at each look, so that what more pods do not lower at once drives it to max",
			"give perPod unless it is a measure of each request, such as a latency")
	}
}

func (p *problems) target(at *field.Path, q *resource.Quantity) {
	switch {
	case q.Sign() <= 0:
		p.refusef(at, "give a number above 0", "%s is no target", q)
	case atLeast(q, tooMuch):
		p.refusef(at, "give less than 9e15", "%s is too much for an HPA, which counts in thousandths", q)
	case q.Cmp(*resource.NewMilliQuantity(1, resource.DecimalSI)) < 0:
		p.warnf(at, "give 1m or more", "%s counts as 1m, since an HPA counts in thousandths", q)
	}
}

// atLeast reports whether q, which is above 0, is n or more. It does not compare a q
// that is far above any n: Quantity would write 1e2147483647 out, digit by digit.
func atLeast(q *resource.Quantity, n int64) bool {
	return tall(q) || q.CmpInt64(n) >= 0
}

// tall reports whether q has more digits before the point than an int64. It may
// change how q is stored, not what it is.
func tall(q *resource.Quantity) bool {
	return q.AsDec().Scale() < -18
}

// metricName checks a metric's name that may be absent.
func (p *problems) metricName(at *field.Path, name string) {
	if p.atMost(at, name, 253) && name != "" {
		p.segment(at, name)
	}
}

// selector refuses what the HPA controller cannot read: the API server lets it pass.
func (p *problems) selector(at *field.Path, s *metav1.LabelSelector) {
	for _, err := range metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{}, at) {
		*p = append(*p, Problem{
			Level: Error, Field: err.Field, Message: err.ErrorBody(),
			Remedy: "give what a label of Kubernetes can be; other values need a rule of the adapter, or the objective query",
		})
	}
}
