package decide

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/loadline/loadline/policy/hpa"
)

// invalid says what is wrong with the policy; nil if nothing is.
func (d *decision) invalid() *finding {
	reason := InvalidSpec
	if d.Capabilities.Known() && d.Capabilities.RefusesZero(d.Policy) {
		reason = ScaleToZeroUnsupported
	}
	if !hpa.Failed(d.problems) {
		reason = QueryRefused
	}
	problems := slices.Concat(d.problems, d.queries())
	if !hpa.Failed(problems) {
		return nil
	}
	message := errorsOf(problems)
	if d.Live != nil {
		message += ". The HPA stays as it was"
		if hpa.Frozen(d.Live) {
			message += ", frozen"
		}
	}
	return &finding{reason: reason, state: StateInvalid, message: message}
}

// compile builds the HPA without floors. Where nobody knows yet what the cluster takes, it
// is built as if that were all, and whether it matters is noted: neither is a policy
// refused nor an HPA changed for what is only not known.
func (d *decision) compile() {
	d.plain, d.problems = hpa.Build(d.Policy, nil, d.Capabilities)
	if d.Capabilities.Known() {
		return
	}
	plain, problems := hpa.Build(d.Policy, nil, hpa.Capabilities{ScaleToZero: true, Tolerance: true, ContainerResource: true})
	d.depends = !equality.Semantic.DeepEqual(plain, d.plain) || len(problems) != len(d.problems)
	d.plain, d.problems = plain, problems
}

// features says that the policy has to wait until is known what the cluster takes; nil
// if that is known, or all the same to it.
func (d *decision) features() *finding {
	if !d.depends {
		return nil
	}
	return &finding{reason: FeaturesUnknown, state: StatePending, waits: true,
		message: "what the API server takes in an HPA could not be found out yet, and this policy depends on it (min 0, a container's metric or a tolerance): it is tried again twice a minute, and an HPA that there is stays as it was"}
}

// queries says what is wrong with the PromQL of the objectives.
func (d *decision) queries() []hpa.Problem {
	if d.Settings.CheckQuery == nil {
		return nil
	}
	var problems []hpa.Problem
	for i, o := range d.Policy.Spec.Objectives {
		if o.Query == nil {
			continue
		}
		at := field.NewPath("spec", "objectives").Index(i).Child("query", "expr").String()
		for _, text := range d.Settings.CheckQuery(d.Policy.Namespace, o.Query.Expr) {
			problems = append(problems, hpa.Problem{Level: hpa.Error, Field: at, Message: text})
		}
	}
	return problems
}

// maxMessage keeps each part of a condition readable. maxCondition is for one that
// becomes long nevertheless: beyond 32768 the API server would refuse the whole status.
const (
	maxMessage   = 1000
	maxCondition = 10_000
)

func errorsOf(problems []hpa.Problem) string { return listed(problems, hpa.Error) }

func listed(problems []hpa.Problem, level hpa.Level) string {
	var texts []string
	for _, p := range problems {
		if p.Level == level {
			texts = append(texts, p.Error())
		}
	}
	return clip(strings.Join(texts, "; "))
}

func clip(s string) string { return cut(s, maxMessage) }

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// target says why no HPA can scale the target; nil if one can or if that is not known.
func (d *decision) target() *finding {
	t := d.Policy.Scaled()
	switch d.Target.State {
	case TargetKindUnknown:
		return &finding{reason: KindUnknown, state: StatePending, message: fmt.Sprintf(
			"the cluster has no kind %s in %s: install it, or mend spec.targetRef", t.Kind, t.APIVersion)}
	case TargetNotScalable:
		return &finding{reason: NotScalable, state: StateInvalid, message: fmt.Sprintf(
			"a %s (%s) has no scale subresource, so nothing can scale it: name another target", t.Kind, t.APIVersion)}
	}
	return nil
}
