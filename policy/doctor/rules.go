package doctor

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
	"github.com/loadline/loadline/provider/rule"
)

// Place is where a configuration file is.
type Place struct {
	Namespace, ConfigMap, Key string
}

// PlaceOf is the ConfigMap that a Deployment mounts where its flag --config points; why is
// why there is none: it has no such flag, or mounts something else there.
func PlaceOf(d *appsv1.Deployment) (p Place, why string) {
	file := argument(d, "config")
	if file == "" {
		return Place{}, "it has no --config"
	}
	spec := &d.Spec.Template.Spec
	for _, c := range spec.Containers {
		for _, m := range c.VolumeMounts {
			key, within := strings.CutPrefix(path.Clean(file), path.Clean(m.MountPath)+"/")
			if m.SubPath != "" {
				key, within = path.Base(m.SubPath), path.Clean(file) == path.Clean(m.MountPath)
			}
			if !within {
				continue
			}
			if name, key, ok := mounted(spec.Volumes, m.Name, key); ok {
				return Place{Namespace: d.Namespace, ConfigMap: name, Key: key}, ""
			}
			return Place{}, "the file of its --config is in no ConfigMap"
		}
	}
	return Place{}, "the file of its --config is in no volume"
}

// mounted is the ConfigMap of a volume, and its key for a file.
func mounted(volumes []corev1.Volume, name, file string) (configMap, key string, ok bool) {
	for _, v := range volumes {
		if v.Name != name || v.ConfigMap == nil {
			continue
		}
		for _, item := range v.ConfigMap.Items {
			if item.Path == file {
				return v.ConfigMap.Name, item.Key, true
			}
		}
		return v.ConfigMap.Name, file, len(v.ConfigMap.Items) == 0
	}
	return "", "", false
}

// checkRules finds rules of which no metric is listed, so that they match no series.
func checkRules(s *Snapshot, o *outcome) {
	if s.APIServices.Unread != nil {
		o.unread("who serves the metrics is not known, for APIServices could not be read", s.APIServices.Unread)
		return
	}
	judged := map[string]bool{}
	for _, name := range s.backends() {
		b := s.Backends[name]
		for i := range b.Deployments.Value {
			d := &b.Deployments.Value[i]
			at := d.Namespace + "/" + d.Name
			if judged[at] { // by another Service of the same pods
				continue
			}
			judged[at] = true
			if _, why := PlaceOf(d); why != "" {
				if s.servesMetrics(name.String()) {
					o.ok("%s: no rules of its own are to be seen, for %s", at, why)
				}
				continue
			}
			s.rules(d, b.Config, o)
		}
		switch {
		case b.Deployments.Unread == nil, !s.servesMetrics(name.String()): // without Deployments there are no rules
		case s.another(name.String()):
			o.ok("%s is not looked at, for loadline-adapter is another one", name)
		default:
			o.unread("the Deployments behind "+name.String()+" could not be read", b.Deployments.Unread)
		}
	}
	if o.state == "" {
		o.ok("nobody serves metrics by rules")
	}
}

// servesMetrics says whether a Service is behind custom or external metrics, which rules make.
func (s *Snapshot) servesMetrics(service string) bool {
	for _, group := range []string{CustomMetrics, ExternalMetrics} {
		for _, a := range s.services(group) {
			if behind(a) == service {
				return true
			}
		}
	}
	return false
}

// another says whether a Service is not the one that serves our own API; where nobody serves that
// one, each may be ours.
func (s *Snapshot) another(service string) bool {
	own := distinct(s.services(diagnostics.GroupVersion.Group))
	return len(own) > 0 && !slices.Contains(own, service)
}

// rules judges those of one Deployment's file, as far as it is the one that is asked.
func (s *Snapshot) rules(d *appsv1.Deployment, config Read[string], o *outcome) {
	at := d.Namespace + "/" + d.Name
	if config.Unread != nil {
		o.unread("the configuration of "+at+" could not be read", config.Unread)
		return
	}
	set, err := rule.Compile([]byte(config.Value))
	if err != nil {
		// Another adapter, prometheus-adapter for one, may take what ours refuses.
		if argument(d, "cert-secret") != "" {
			o.fail("kubectl loadline migrate config says all of it; until then the adapter uses the last good file, and does not start again",
				"the configuration of %s cannot be used: %s", at, firstLine(err.Error()))
			return
		}
		o.warn("mend it before loadline-adapter takes the place of what serves it now; kubectl loadline migrate config says all of it",
			"loadline-adapter would refuse the configuration of %s: %s", at, firstLine(err.Error()))
		return
	}
	if set.Ruleless {
		o.ok("%s: its file has no rules", at)
		return
	}
	var idle []Object
	var beside []string
	looked := 0
	for _, of := range []struct {
		group string
		rules []*rule.Rule
	}{{CustomMetrics, set.Custom}, {ExternalMetrics, set.External}} {
		if len(of.rules) == 0 {
			continue
		}
		versions, others := s.servedBy(of.group, d)
		if len(versions) == 0 { // what is listed there says nothing of these rules
			beside = append(beside, fmt.Sprintf("%s not looked at, for %s", count(len(of.rules), "rule of "+of.group+" is", "rules of "+of.group+" are"), others))
			continue
		}
		names, u := s.listedIn(of.group, versions)
		if u != nil {
			o.unread("what "+of.group+" lists could not be read", u)
			continue
		}
		looked++
		for _, r := range of.rules {
			if !gives(r, names) {
				idle = append(idle, Object{"Rule", "", r.ID(), "seriesQuery " + r.SeriesSelector()})
			}
		}
	}
	switch {
	case len(idle) > 0:
		o.about(Warn, "see whether the source has series that its seriesQuery and seriesFilters leave, with the labels of resources; take out a rule that is not needed",
			fmt.Sprintf("%s: no metric comes of %s", at, count(len(idle), "rule", "rules")), idle)
	case looked > 0 && len(beside) > 0:
		o.ok("%s: metrics come of its other rules", at)
	case looked > 0:
		o.ok("%s: metrics come of all rules", at)
	}
	for _, text := range beside {
		o.ok("%s: %s", at, text)
	}
}

// servedBy are the versions of a group that are served by a Service of a Deployment's pods, in
// the order of Versions; where there are none, others says who has the group.
func (s *Snapshot) servedBy(group string, d *appsv1.Deployment) (versions []string, others string) {
	registered := s.services(group)
	for _, a := range registered {
		b := s.backend(a)
		if b != nil && slices.ContainsFunc(b.Deployments.Value, func(of appsv1.Deployment) bool { return of.Namespace == d.Namespace && of.Name == d.Name }) {
			versions = append(versions, a.Spec.Version)
		}
	}
	order := func(v string) int { return slices.Index(Versions(group), v) }
	slices.SortFunc(versions, func(a, b string) int { return cmp.Compare(order(a), order(b)) })
	if len(registered) == 0 {
		return versions, "nobody is registered for it"
	}
	return versions, "it is served by " + strings.Join(distinct(registered), ", ")
}

// gives says whether a listed name may come of a rule.
func gives(r *rule.Rule, names []string) bool {
	if r.EmptySeries() != "" {
		return true
	}
	for _, name := range names {
		if _, metric, ok := strings.Cut(name, "/"); ok {
			name = metric
		}
		if r.MayGive(name) {
			return true
		}
	}
	return false
}

func firstLine(s string) string {
	line, rest, more := strings.Cut(s, "\n")
	if more {
		line += fmt.Sprintf(" (and %d more)", strings.Count(rest, "\n")+1)
	}
	return line
}
