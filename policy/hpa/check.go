package hpa

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Bounds that the schema has as well; a test compares the verdicts.
const (
	defaultMin    = 2
	maxName       = 63 // of a label's value, in which the HPA carries the policy's name
	maxReplicas   = 100_000
	maxObjectives = 10
	maxSchedules  = 20
)

var (
	apiVersion = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?v[a-z0-9]+$`)
	kind       = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
	shortName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
)

// Check returns what is wrong or doubtful about p whatever the cluster, in the order of
// the fields: all that the schema of the CRD and its rules refuse, except what is lost
// in reading a document, such as how a number was spelt; and what they cannot say.
//
// It does not know cron, time zones and PromQL.
func Check(p *v1alpha1.AutoscalingPolicy) []Problem {
	p = p.DeepCopy() // to compare or to print a Quantity changes it
	var found problems
	found.policyName(p.Name)
	found.namespace(p.Namespace)
	spec := field.NewPath("spec")
	found.targetRef(spec.Child("targetRef"), p.Spec.TargetRef)
	found.replicas(spec.Child("replicas"), &p.Spec)
	found.objectives(spec.Child("objectives"), p)
	found.pace(spec, &p.Spec)
	found.schedules(spec.Child("schedules"), &p.Spec)
	found.fallback(spec.Child("fallback"), &p.Spec)
	found.rollout(spec.Child("rollout"), p.Spec.Rollout)
	found.blueGreen(spec, &p.Spec)
	oneOf(&found, spec.Child("mode"), p.Spec.Mode, v1alpha1.Enforce, v1alpha1.DryRun, v1alpha1.Paused)
	oneOf(&found, spec.Child("deletionPolicy"), p.Spec.DeletionPolicy, v1alpha1.Delete, v1alpha1.Orphan)
	if p.Spec.DeletionPolicy == v1alpha1.Orphan && len(OfQueries(Metrics(p))) > 0 {
		found.warn(spec.Child("deletionPolicy"), "the HPA that is left reads a query, which is served only while the policy is in the cluster: it does not scale in any more",
			"use another metric, or Delete")
	}
	return found
}

func (p *problems) policyName(name string) {
	at := field.NewPath("metadata", "name")
	if n := utf8.RuneCountInString(name); n > maxName {
		p.refusef(at, "shorten it", "the name has %d characters, more than the %d of a label, in which the HPA carries it", n, maxName)
		return
	}
	if name == "" {
		p.refuse(at, "the policy has no name", "give one, since the HPA is called the same")
		return
	}
	for _, reason := range validation.IsDNS1123Subdomain(name) {
		p.refusef(at, "", "%q is no name of an object (%s)", name, reason)
	}
}

// namespace looks at one that a file gives: commands that are to be copied have it.
func (p *problems) namespace(name string) {
	if name == "" {
		return
	}
	for _, reason := range validation.IsDNS1123Label(name) {
		p.refusef(field.NewPath("metadata", "namespace"), "", "%q is no name of a namespace (%s)", name, reason)
	}
}

func (p *problems) targetRef(at *field.Path, t v1alpha1.TargetReference) {
	sound := p.object(at, t.APIVersion, t.Kind, t.Name)
	switch t.Kind {
	case "DaemonSet", "Job", "CronJob", "Pod", "HorizontalPodAutoscaler", v1alpha1.Kind:
		p.refusef(at.Child("kind"), "name a Deployment, a StatefulSet or another kind with a scale subresource",
			"a %s has no replica count to scale", t.Kind)
		return
	}
	if sound {
		p.group(at.Child("apiVersion"), t)
	}
	switch t.Kind {
	case "ReplicationController", "ReplicaSet":
		p.warnf(at.Child("kind"), "scale a Deployment",
			"a release replaces a %s by another one, which nothing would scale", t.Kind)
	}
}

// group refuses a built-in kind in a group that does not have it. Only a group without a
// dot is built in: with one it may be anybody's, and have kinds of the same names.
func (p *problems) group(at *field.Path, t v1alpha1.TargetReference) {
	group, version := "", t.APIVersion
	if i := strings.Index(t.APIVersion, "/"); i >= 0 {
		group, version = t.APIVersion[:i], t.APIVersion[i+1:]
	}
	if strings.Contains(group, ".") {
		return
	}
	switch t.Kind {
	case "Deployment", "StatefulSet", "ReplicaSet":
		if group != "apps" {
			p.refusef(at, "give apps/v1", "%s has no %s", t.APIVersion, t.Kind)
		}
	case "ReplicationController":
		if group != "" || version != "v1" {
			p.refusef(at, "give v1", "%s has no %s", t.APIVersion, t.Kind)
		}
	default:
		// strategy.go of the HPA allows an empty group for a ReplicationController only.
		if group == "" {
			p.refusef(at, "give GROUP/VERSION of the kind", "%s has no %s that can be scaled", t.APIVersion, t.Kind)
		}
	}
}

// object checks a reference, whosoever, and reports whether it is sound.
func (p *problems) object(at *field.Path, version, of, name string) bool {
	before := len(*p)
	if p.required(at.Child("apiVersion"), version, 253) && !apiVersion.MatchString(version) {
		p.refusef(at.Child("apiVersion"), "give one such as apps/v1", "%q is no API version", version)
	}
	if p.required(at.Child("kind"), of, 63) && !kind.MatchString(of) {
		p.refusef(at.Child("kind"), "give one such as Deployment", "%q is no kind", of)
	}
	if p.required(at.Child("name"), name, 253) {
		p.segment(at.Child("name"), name)
	}
	return len(*p) == before
}

func (p *problems) replicas(at *field.Path, s *v1alpha1.AutoscalingPolicySpec) {
	r := s.Replicas
	p.within(at.Child("min"), r.Min, 0, maxReplicas)
	p.within(at.Child("max"), r.Max, 1, maxReplicas)
	switch {
	case r.Min > r.Max && r.Min == defaultMin:
		// Maybe the owner wrote none, and would look for it in vain.
		p.refuse(at.Child("min"), fmt.Sprintf("min %d is above max %d; min is %d where it is left out", r.Min, r.Max, defaultMin), "give a lower min or raise max")
	case r.Min > r.Max:
		p.refuse(at.Child("min"), fmt.Sprintf("min %d is above max %d", r.Min, r.Max), "lower min or raise max")
	case r.Min == r.Max:
		p.warnf(at.Child("max"), "raise max", "min and max are both %d: nothing can scale", r.Max)
	}
	if r.Min != 0 {
		return
	}
	if len(s.Objectives) > 0 && !slices.ContainsFunc(s.Objectives, readableAtZero) {
		p.refuse(at.Child("min"), "min 0 needs an objective that can be read while no pod runs",
			"add queue, external, query, or custom with an object, or give min 1")
	}
	if s.Fallback != nil {
		p.warn(at.Child("min"), "with no pod running the fallback starts none, since an HPA that can read no metric leaves a target at 0",
			"give min 1")
	}
}

func readableAtZero(o v1alpha1.Objective) bool {
	return o.Queue != nil || o.External != nil || o.Query != nil || o.Custom != nil && o.Custom.Object != nil
}

func (p *problems) schedules(at *field.Path, s *v1alpha1.AutoscalingPolicySpec) {
	if len(s.Schedules) > maxSchedules {
		p.refusef(at, "", "there are %d schedules, more than %d", len(s.Schedules), maxSchedules)
	}
	seen := map[string]int{}
	for i, one := range s.Schedules {
		at := at.Index(i)
		if p.required(at.Child("name"), one.Name, 63) && !shortName.MatchString(one.Name) {
			p.refusef(at.Child("name"), "use a-z, 0-9 and -", "%q is no name of a schedule", one.Name)
		}
		if first, twice := seen[one.Name]; twice {
			p.refusef(at.Child("name"), "rename one", "schedules %d and %d are both called %s", first, i, one.Name)
		} else {
			seen[one.Name] = i
		}
		if n := utf8.RuneCountInString(one.Start); n < 9 || n > 100 {
			p.refusef(at.Child("start"), "give the five fields of cron, such as 0 7 * * 1-5", "%q is no start", one.Start)
		}
		if d := one.Duration.Duration; d < time.Minute || d > 168*time.Hour {
			p.refusef(at.Child("duration"), "give 1m to 168h", "%s is no duration of a schedule", d)
		}
		p.atMost(at.Child("timeZone"), one.TimeZone, 64)
		p.raisedMin(at.Child("min"), one.Min, s.Replicas)
	}
}

func (p *problems) fallback(at *field.Path, s *v1alpha1.AutoscalingPolicySpec) {
	if s.Fallback == nil {
		return
	}
	if d := s.Fallback.After.Duration; d < 30*time.Second || d > time.Hour {
		p.refusef(at.Child("after"), "give 30s to 1h", "%s is no time after which to fall back", d)
	}
	p.raisedMin(at.Child("min"), s.Fallback.Min, s.Replicas)
}

// raisedMin checks the min of a floor. One above max is only capped: an owner must be
// able to lower max whatever else the policy says.
func (p *problems) raisedMin(at *field.Path, min int32, r v1alpha1.Replicas) {
	if !p.within(at, min, 1, maxReplicas) {
		return
	}
	switch {
	case min > r.Max:
		p.warnf(at, "raise replicas.max", "min %d is capped at replicas.max, %d", min, r.Max)
	case min <= r.Min:
		p.warnf(at, fmt.Sprintf("give more than %d", r.Min), "min %d changes nothing: replicas.min is %d", min, r.Min)
	}
}

// within reports whether n is from low to high.
func (p *problems) within(at *field.Path, n, low, high int32) bool {
	if n >= low && n <= high {
		return true
	}
	p.refusef(at, fmt.Sprintf("give %d to %d", low, high), "%d is out of range", n)
	return false
}

// required reports whether text is there and not too long.
func (p *problems) required(at *field.Path, text string, most int) bool {
	if text == "" {
		p.refuse(at, "it is missing", "give it")
		return false
	}
	return p.atMost(at, text, most)
}

// atMost counts characters, as the schema does.
func (p *problems) atMost(at *field.Path, text string, most int) bool {
	n := utf8.RuneCountInString(text)
	if n > most {
		p.refusef(at, "", "it has %d characters, more than %d", n, most)
	}
	return n <= most
}

// segment checks that text can stand in a URL, in which an HPA asks for it
// (validation.go).
func (p *problems) segment(at *field.Path, text string) {
	if len(content.IsPathSegmentName(text)) > 0 {
		p.refusef(at, "give a name without / and %, and neither . nor ..", "%q cannot stand in a URL, by which it is asked for", text)
	}
}

func oneOf[T ~string](p *problems, at *field.Path, got T, allowed ...T) {
	if got == "" || slices.Contains(allowed, got) {
		return
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	p.refusef(at, "give "+strings.Join(names, ", ")+" or nothing", "%q is unknown", string(got))
}
