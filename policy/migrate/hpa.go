package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// HPA is what becomes of a HorizontalPodAutoscaler. Its JSON is for programs: fields are only
// ever added, and lists are never null.
type HPA struct {
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Policy makes an HPA in the place of this one; absent where none can be made.
	Policy *v1alpha1.AutoscalingPolicy `json:"policy,omitempty"`
	// NotCarried are the fields of the HPA that no policy can say, or whose meaning is another
	// one. Where there is no Policy, these are why.
	NotCarried []Loss `json:"notCarried"`
	// Remarks are on what was carried over in another form.
	Remarks []Loss `json:"remarks"`
	// Equal: the HPA of the policy has the same spec as this one, as an API server stores it.
	Equal bool `json:"equal"`
	// Differs are the fields of the spec that are not the same.
	Differs []Change `json:"differs"`
}

// Loss is a field that is not, or not so, in the policy.
type Loss struct {
	Field   string `json:"field"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}

// Change is a field of an HPA's spec. A value that is absent, or is more than one, is empty.
type Change struct {
	Field string `json:"field"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
}

func (c Change) String() string {
	const none = "<none>"
	from, to := c.From, c.To
	if from == "" && to == "" {
		return c.Field
	}
	if from == "" {
		from = none
	}
	if to == "" {
		to = none
	}
	return fmt.Sprintf("%s: %s -> %s", c.Field, from, to)
}

// lastApplied is what kubectl apply keeps for itself.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// shownInV1 begins annotations in which the API server shows, in autoscaling/v1, what that has no
// field for: they are no annotations of the object, and what of them matters was said.
const shownInV1 = "autoscaling.alpha.kubernetes.io/"

// NewHPA compares an HPA to that of the policy which package convert made of it, with what
// was said of that, on a cluster that can do c. policy is nil where none could be made.
func NewHPA(original *autoscalingv2.HorizontalPodAutoscaler, policy *v1alpha1.AutoscalingPolicy, said []hpa.Problem, c hpa.Capabilities) *HPA {
	h := &HPA{Namespace: original.Namespace, Name: original.Name, NotCarried: []Loss{}, Remarks: []Loss{}, Differs: []Change{}}
	h.say(said)
	h.metadata(original)
	if policy == nil {
		return h
	}
	built, problems := hpa.Build(policy, nil, c)
	h.say(hpa.Merge(said, problems)[len(said):])
	if built == nil {
		return h
	}
	h.Policy = policy
	changed, gone := hpa.Differences(built, original)
	for _, field := range slices.Concat(changed, gone) {
		if strings.HasPrefix(field, "spec.") {
			h.Differs = append(h.Differs, Change{field, hpa.ValueAt(original, field), hpa.ValueAt(built, field)})
		}
	}
	slices.SortFunc(h.Differs, func(a, b Change) int { return strings.Compare(a.Field, b.Field) })
	h.Equal = len(h.Differs) == 0
	return h
}

func (h *HPA) say(problems []hpa.Problem) {
	for _, p := range problems {
		loss := Loss{p.Field, p.Message, p.Remedy}
		to := &h.Remarks
		if p.Level == hpa.Error {
			to = &h.NotCarried
		}
		if !slices.Contains(*to, loss) {
			*to = append(*to, loss)
		}
	}
}

// metadata names what of it no policy says.
func (h *HPA) metadata(original *autoscalingv2.HorizontalPodAutoscaler) {
	const stays = "an HPA that Loadline takes over keeps it; one that it makes anew is without"
	for _, key := range slices.Sorted(maps.Keys(original.Labels)) {
		switch {
		case key == hpa.PolicyLabel, key == hpa.ManagedByLabel && original.Labels[key] == hpa.ManagedBy:
		case key == hpa.ManagedByLabel:
			h.NotCarried = append(h.NotCarried, Loss{"metadata.labels[" + key + "]", "Loadline writes its own value, and brings this one back when it lets the HPA go", ""})
		default:
			h.NotCarried = append(h.NotCarried, Loss{"metadata.labels[" + key + "]", stays, ""})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(original.Annotations)) {
		if key != lastApplied && key != hpa.MinAnnotation && key != hpa.PolicyUIDAnnotation && !strings.HasPrefix(key, shownInV1) {
			h.NotCarried = append(h.NotCarried, Loss{"metadata.annotations[" + key + "]", stays, ""})
		}
	}
	if len(original.Finalizers) > 0 {
		h.NotCarried = append(h.NotCarried, Loss{"metadata.finalizers", stays, ""})
	}
}

// Comments are lines about the policy, for above it in a file.
func (h *HPA) Comments() []string {
	name := h.Name
	if h.Namespace != "" {
		name = h.Namespace + "/" + name
	}
	name = oneLine(name) // of a file it is whatever somebody wrote
	lines := []string{fmt.Sprintf("Of the HPA %s. The HPA that it makes has the same spec.", name)}
	if !h.Equal {
		lines = []string{fmt.Sprintf("Of the HPA %s. The HPA that it makes differs in:", name)}
	}
	for _, d := range h.Differs {
		lines = append(lines, "  "+oneLine(d.String()))
	}
	if len(h.NotCarried) > 0 {
		lines = append(lines, "Not carried over:")
	}
	for _, l := range h.NotCarried {
		lines = append(lines, "  "+oneLine(l.Field+": "+l.Message))
	}
	return lines
}
