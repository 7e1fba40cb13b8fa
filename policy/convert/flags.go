package convert

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// Options are the flags of kubectl loadline autoscale. A flag that is not given is the
// zero value. Those that kubectl autoscale has mean what they mean there
// (k8s.io/kubectl/pkg/cmd/autoscale v0.37.2).
type Options struct {
	// Target is what to scale; see Target.
	Target v1alpha1.TargetReference
	// Namespace of the policy.
	Namespace string
	// Name of the policy (--name); the target's if it is not given.
	Name string
	// Min is --min: with none or a negative one, the policy's default is taken.
	Min *int32
	// Max is --max, and required.
	Max int32
	// CPUPercent is --cpu-percent, a utilization. 0 and less are none.
	CPUPercent int32
	// CPU is --cpu: 70% is a utilization, 500m an amount for each pod, 500 is 500m.
	CPU string
	// Memory is --memory: 70% is a utilization, 200Mi an amount for each pod, 200 is 200Mi.
	Memory string
	// RequestsPerPod is --requests-per-pod, requests a second.
	RequestsPerPod string
	// Queue and QueuePerPod are --queue and --queue-per-pod: a queue's name, and the
	// waiting items for each pod.
	Queue, QueuePerPod string
	// Profile is --profile.
	Profile string
}

// defaultMin is that of the CRD's schema.
const defaultMin = 2

// Autoscale returns the policy that the flags ask for, or nil where a Problem is an
// Error. The Field of a Problem is a flag, or a field of the policy.
func Autoscale(o Options) (*v1alpha1.AutoscalingPolicy, []hpa.Problem) {
	f := &flags{}
	p := f.policy(o)
	found := f.problems
	if !hpa.Failed(found) {
		found = append(found, hpa.Check(p)...)
	}
	if hpa.Failed(found) {
		return nil, found
	}
	return p, found
}

type flags struct{ problems []hpa.Problem }

func (f *flags) add(level hpa.Level, flag, message, remedy string) {
	f.problems = append(f.problems, hpa.Problem{Level: level, Field: flag, Message: message, Remedy: remedy})
}

func (f *flags) policy(o Options) *v1alpha1.AutoscalingPolicy {
	name := o.Name
	if name == "" {
		name = o.Target.Name
	}
	return &v1alpha1.AutoscalingPolicy{
		TypeMeta:   typeMeta(),
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: o.Namespace},
		Spec: v1alpha1.AutoscalingPolicySpec{
			TargetRef:  o.Target,
			Replicas:   f.replicas(o),
			Objectives: f.objectives(o),
			Profile:    v1alpha1.Profile(o.Profile),
		},
	}
}

func typeMeta() metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.Kind}
}

func (f *flags) replicas(o Options) v1alpha1.Replicas {
	if o.Max < 1 {
		f.add(hpa.Error, "--max", "the greatest number of pods is missing or below 1", "give 1 or more")
	}
	if o.Min != nil && *o.Min >= 0 {
		return v1alpha1.Replicas{Min: *o.Min, Max: o.Max}
	}
	// kubectl leaves it to the server: to that of an HPA it is 1, to that of a policy 2.
	return v1alpha1.Replicas{Min: max(min(defaultMin, o.Max), 1), Max: o.Max}
}

// objectives are in the order of what matters to users first: requests, queue, cpu,
// memory. The HPA takes the highest answer whatever the order.
func (f *flags) objectives(o Options) []v1alpha1.Objective {
	var out []v1alpha1.Objective
	if o.RequestsPerPod != "" {
		out = append(out, v1alpha1.Objective{RequestRate: &v1alpha1.RequestRate{PerPod: f.quantity("--requests-per-pod", o.RequestsPerPod)}})
	}
	switch {
	case o.Queue != "" && o.QueuePerPod == "":
		f.add(hpa.Error, "--queue-per-pod", "it is missing", "give how many waiting items a pod of the queue "+o.Queue+" may have before it")
	case o.Queue == "" && o.QueuePerPod != "":
		f.add(hpa.Error, "--queue", "it is missing", "give the queue's name")
	case o.Queue != "":
		out = append(out, v1alpha1.Objective{Queue: &v1alpha1.Queue{Name: o.Queue, PerPod: f.quantity("--queue-per-pod", o.QueuePerPod)}})
	}
	if o.CPUPercent > 0 && o.CPU != "" {
		f.add(hpa.Error, "--cpu-percent", "there is --cpu as well", "give one of the two")
	}
	switch {
	case o.CPUPercent > 0:
		out = append(out, v1alpha1.Objective{CPU: &v1alpha1.Resource{Utilization: ptr.To(o.CPUPercent)}})
	case o.CPU != "":
		out = append(out, v1alpha1.Objective{CPU: f.resource("--cpu", o.CPU, "m")})
	}
	if o.Memory != "" {
		out = append(out, v1alpha1.Objective{Memory: f.resource("--memory", o.Memory, "Mi")})
	}
	if len(out) == 0 && !hpa.Failed(f.problems) {
		utilization := hpa.DefaultMetric().Resource.Target.AverageUtilization
		f.add(hpa.Warning, "", fmt.Sprintf("no target is given: as with kubectl autoscale it is %d%% of the cpu requested", *utilization),
			"give --requests-per-pod, --queue or another")
		out = append(out, v1alpha1.Objective{CPU: &v1alpha1.Resource{Utilization: utilization}})
	}
	return out
}

// resource reads a target as parseResourceInput of kubectl does: a percentage, a number
// of units, or a quantity.
func (f *flags) resource(flag, text, unit string) *v1alpha1.Resource {
	text = strings.TrimSpace(text)
	if percentage, ok := strings.CutSuffix(text, "%"); ok {
		n, err := strconv.ParseInt(percentage, 10, 32)
		if err != nil || n < 1 {
			f.add(hpa.Error, flag, fmt.Sprintf("%q is no percentage", text), "give one such as 70%")
		}
		return &v1alpha1.Resource{Utilization: ptr.To(int32(n))}
	}
	number, err := strconv.ParseFloat(text, 64)
	if err == nil && !math.IsInf(number, 0) && !math.IsNaN(number) {
		text = strconv.FormatFloat(number, 'f', -1, 64) + unit
	}
	q := f.quantity(flag, text)
	if bytes := q.Value(); unit == "Mi" && bytes < 1<<50 && q.CmpInt64(bytes) != 0 {
		q = *resource.NewQuantity(bytes, resource.BinarySI) // there is no part of a byte
	}
	return &v1alpha1.Resource{PerPod: &q}
}

// quantity reads a target above 0; what is none is told with the flag.
func (f *flags) quantity(flag, text string) resource.Quantity {
	q, err := hpa.ParseQuantity(text)
	switch {
	case err != nil:
		f.add(hpa.Error, flag, err.Error(), "")
	case q.Sign() <= 0:
		f.add(hpa.Error, flag, fmt.Sprintf("%s is no target", text), "give a number above 0")
	}
	return q
}
