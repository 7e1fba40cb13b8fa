package arithmetic

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// maxNames is how many pods a line names.
const maxNames = 5

// Text is a decision for people: a line for each metric with its arithmetic, lines below it
// for the pods that do not count as they are, and one for each step. Names and reasons are as
// the cluster gave them: whoever prints them on a terminal escapes them.
func (d *Decision) Text() []string {
	var lines []string
	for i := range d.Proposals {
		lines = append(lines, d.Proposals[i].text()...)
	}
	for i := range d.Steps {
		lines = append(lines, d.Steps[i].Text()...)
	}
	last := fmt.Sprintf("decision: %d → %s", d.Current, replicas(d.Replicas))
	switch {
	case d.Replicas == exactly(d.Current):
		last = fmt.Sprintf("decision: %s as there are", replicas(d.Replicas))
	case !d.Replicas.Exact():
		last += ", as far as can be known"
	}
	return append(lines, last)
}

// text is a metric's arithmetic.
func (p *Proposal) text() []string {
	return append([]string{p.Name + ": " + p.Formula()}, p.others()...)
}

// Formula is a metric's arithmetic in a line, or why there is none, without the metric's name.
func (p *Proposal) Formula() string {
	if p.Failure != nil {
		return p.Failure.Message + " (" + p.Failure.Reason + ")"
	}
	formula := fmt.Sprintf("%s, target %s: ratio %s", p.used(), p.aim(), ratio(p.Ratio))
	if p.Assumed != nil && *p.Assumed != p.Ratio {
		formula += fmt.Sprintf(", with what is assumed %s", ratio(*p.Assumed))
	}
	if p.Times != 0 {
		formula += fmt.Sprintf(" × %d", p.Times)
	}
	n := replicas(exactly(p.Replicas))
	switch p.Held {
	case WithinTolerance:
		formula += fmt.Sprintf(" is within the tolerance of %s down and %s up: %s as there are", percent(p.Tolerances.Down), percent(p.Tolerances.Up), n)
	case TurnedRound:
		formula += fmt.Sprintf(" turns the direction: %s as there are", n)
	case OtherWay:
		formula += fmt.Sprintf(" leads the other way than the ratio: %s as there are", n)
	default:
		formula += ": " + n
	}
	return formula
}

// used is what is used, and of what it is.
func (p *Proposal) used() string {
	switch {
	case p.Total != nil && p.Usage == nil:
		return p.amount(*p.Total) + " in all and no pod to share it"
	case p.Total != nil:
		return fmt.Sprintf("%s in all, %s on average", p.amount(*p.Total), p.amount(*p.Usage))
	case p.Utilization != nil:
		return fmt.Sprintf("%d%% of the requests (%s on average)", *p.Utilization, p.amount(*p.Usage))
	case p.TargetType == autoscalingv2.ValueMetricType:
		return p.amount(*p.Usage)
	}
	return p.amount(*p.Usage) + " on average"
}

func (p *Proposal) aim() string {
	if p.TargetType == autoscalingv2.UtilizationMetricType {
		return fmt.Sprintf("%d%%", p.Target)
	}
	return p.amount(p.Target)
}

// others are the pods that do not count as they are, those of a kind in a line.
func (p *Proposal) others() []string {
	type kind struct {
		role Role
		why  string
		as   string
	}
	var kinds []kind
	pods := map[kind][]string{}
	for i := range p.Pods {
		pod := &p.Pods[i]
		if pod.Role == Ready {
			continue
		}
		k := kind{role: pod.Role, why: pod.Why}
		if pod.Assumed != nil {
			k.as = p.amount(*pod.Assumed)
		}
		if pods[k] == nil {
			kinds = append(kinds, k)
		}
		pods[k] = append(pods[k], pod.Name)
	}
	var lines []string
	for _, k := range kinds {
		names := pods[k]
		line := fmt.Sprintf("  %s: %s (%s)", strings.ToLower(string(k.role)), some(names), k.why)
		if k.as != "" {
			line += ", assumed to use " + k.as
		}
		lines = append(lines, line)
	}
	return lines
}

func some(names []string) string {
	if len(names) > maxNames {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNames], ", "), len(names)-maxNames)
	}
	return strings.Join(names, ", ")
}

// Text is a step in a line and, in a second one, what of it cannot be known.
func (s *Step) Text() []string {
	name := map[Rule]string{
		AtZero: "at 0", IntoBounds: "bounds", Metrics: "metrics", Stabilize: "stabilisation", Limit: "bounds and rates", FromZero: "from 0",
	}[s.Rule]
	line := fmt.Sprintf("%s: %s → %s, %s", name, s.In, s.Out, s.Why)
	if s.Reason != "" {
		line += " (" + s.Reason + ")"
	}
	if s.NotObservable == "" {
		return []string{line}
	}
	return []string{line, "  not observable: " + s.NotObservable}
}

func (p *Proposal) amount(milli int64) string { return Amount(p.Resource, milli) }

// Amount writes thousandths of a metric's unit: 42.5, and 128Mi of memory. of is the resource,
// empty for a metric that is none.
func Amount(of corev1.ResourceName, milli int64) string {
	if of == corev1.ResourceMemory && milli%1000 == 0 {
		return resource.NewQuantity(milli/1000, resource.BinarySI).String()
	}
	return strconv.FormatFloat(float64(milli)/1000, 'f', -1, 64)
}

// ratio has four digits after the point.
func ratio(r float64) string {
	if math.IsNaN(r) || math.IsInf(r, 0) {
		return "none"
	}
	return strconv.FormatFloat(math.Round(r*1e4)/1e4, 'f', -1, 64)
}

func percent(share float64) string {
	return strconv.FormatFloat(math.Round(share*1e4)/100, 'f', -1, 64) + "%"
}

func replicas(r Range) string {
	if r == exactly(1) {
		return "1 replica"
	}
	return r.String() + " replicas"
}
