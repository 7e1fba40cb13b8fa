package arithmetic

import (
	"cmp"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// Role is what a pod counts as for a metric.
type Role string

// The roles of pods.
const (
	// Ready: its sample counts, and it is one of those that the ratio is multiplied by.
	Ready Role = "Ready"
	// Unready: its sample does not count. If the rest asks for more replicas, it is assumed
	// to use nothing.
	Unready Role = "Unready"
	// Missing: it has no sample. It is assumed to use nothing if the rest asks for more
	// replicas, and all that it may if the rest asks for fewer.
	Missing Role = "Missing"
	// Ignored: it is terminating or has failed, and neither it nor its sample counts.
	Ignored Role = "Ignored"
	// Stray: there is a sample of this name and no pod. It counts in a sum all the same.
	Stray Role = "Stray"
)

// Pod is what a metric's proposal makes of one pod.
type Pod struct {
	Name string
	Role Role
	// Why it is not Ready, for people; empty for one that is.
	Why string
	// Milli is what was read for it, in thousandths; nil for nothing.
	Milli *int64
	// Assumed is what was counted in its place; nil for nothing.
	Assumed *int64
	// Request is what it requests of the resource, in thousandths; nil unless the target is a
	// utilization.
	Request *int64
}

// pods are a metric's pods, by role.
type pods struct {
	all []Pod
	// values are the samples that count, by the pod's name.
	values map[string]int64
}

// group tells the pods and samples of a metric apart (groupPods and removeMetricsForPods in
// replica_calculator.go). of is the resource, empty for a metric that is none: readiness
// counts for CPU alone.
func (s *State) group(samples map[string]Sample, of corev1.ResourceName) pods {
	g := pods{values: make(map[string]int64, len(samples))}
	for name, sample := range samples {
		g.values[name] = sample.Milli
	}
	known := make(map[string]bool, len(s.Pods))
	for i := range s.Pods {
		p := Pod{Name: s.Pods[i].Name}
		known[p.Name] = true
		sample, ok := samples[p.Name]
		if ok {
			p.Milli = ptr.To(sample.Milli)
		}
		if p.Role, p.Why = s.role(&s.Pods[i], sample, ok, of); p.Role == Ignored || p.Role == Unready {
			delete(g.values, p.Name)
		}
		g.all = append(g.all, p)
	}
	for name, milli := range g.values {
		if !known[name] {
			g.all = append(g.all, Pod{Name: name, Role: Stray, Why: "no pod of the target has this name", Milli: ptr.To(milli)})
		}
	}
	slices.SortFunc(g.all, func(a, b Pod) int { return cmp.Compare(a.Name, b.Name) })
	return g
}

func (s *State) role(pod *corev1.Pod, sample Sample, has bool, of corev1.ResourceName) (Role, string) {
	switch {
	case pod.DeletionTimestamp != nil:
		return Ignored, "it is terminating"
	case pod.Status.Phase == corev1.PodFailed:
		return Ignored, "it has failed"
	case pod.Status.Phase == corev1.PodPending:
		return Unready, "it is pending"
	case !has:
		return Missing, "it has no sample"
	case of == corev1.ResourceCPU:
		if why := s.cold(pod, sample); why != "" {
			return Unready, why
		}
	}
	return Ready, ""
}

// cold says why a pod's CPU does not count yet; empty if it does. Soon after its start a pod
// has to be ready and the sample wholly after it became so; later it must have been ready at
// some time.
func (s *State) cold(pod *corev1.Pod, sample Sample) string {
	ready := readiness(pod)
	if ready == nil || pod.Status.StartTime == nil {
		return "it has no readiness or start time yet"
	}
	start, since := pod.Status.StartTime.Time, ready.LastTransitionTime.Time
	unready := ready.Status == corev1.ConditionFalse
	if start.Add(s.Settings.CPUInitializationPeriod).After(s.Now) {
		switch {
		case unready:
			return "it started less than " + short(s.Settings.CPUInitializationPeriod) + " ago and is not ready"
		case sample.Timestamp.Before(since.Add(sample.Window)):
			return "it started less than " + short(s.Settings.CPUInitializationPeriod) + " ago and its sample is from before it was ready"
		}
		return ""
	}
	if unready && start.Add(s.Settings.InitialReadinessDelay).After(since) {
		return "it has not been ready since it started"
	}
	return ""
}

func readiness(pod *corev1.Pod) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == corev1.PodReady {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// serving tells the pods that run and are ready from the others, for a metric that is of none
// of them. Terminating ones that are still ready count (getReadyPodsCount).
func (s *State) serving() []Pod {
	all := make([]Pod, 0, len(s.Pods))
	for i := range s.Pods {
		p := Pod{Name: s.Pods[i].Name, Role: Ready}
		if c := readiness(&s.Pods[i]); s.Pods[i].Status.Phase != corev1.PodRunning {
			p.Role, p.Why = Unready, "it does not run"
		} else if c == nil || c.Status != corev1.ConditionTrue {
			p.Role, p.Why = Unready, "it is not ready"
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Pod) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// names are those of the pods of a role.
func (g *pods) names(of Role) []string {
	var found []string
	for i := range g.all {
		if g.all[i].Role == of {
			found = append(found, g.all[i].Name)
		}
	}
	return found
}

// assume counts a value for each pod of a role.
func (g *pods) assume(of Role, value func(pod string) int64) {
	for i := range g.all {
		if p := &g.all[i]; p.Role == of {
			p.Assumed = ptr.To(value(p.Name))
			g.values[p.Name] = *p.Assumed
		}
	}
}

// counted are those that are ready, out of pods.
func counted(all []Pod) int {
	n := 0
	for i := range all {
		if all[i].Role == Ready {
			n++
		}
	}
	return n
}

// sum over the values that count; with integers no order differs.
func sum(values map[string]int64) int64 {
	var total int64
	for v := range maps.Values(values) {
		total += v
	}
	return total
}

// short writes 5m0s as 5m.
func short(d time.Duration) string {
	text := d.String()
	if d%time.Minute == 0 && d != 0 {
		text = text[:len(text)-len("0s")]
	}
	return text
}
