package migrate

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/rule"
)

// anySeries stands for the series of a rule that may find several.
const anySeries = "loadline_sample"

// readOf plans two reads that differ as those of two HPAs do, and says whether one query
// answers both.
func readOf(r *rule.Rule, d rule.Description, objects string, api metric.API) Read {
	series := d.Series
	if series == "" {
		series = anySeries
	}
	gr := schema.ParseGroupResource(objects)
	// A rule without a label for namespaces is of objects that have none.
	var last Read
	for _, namespaced := range []bool{!rootScoped(gr), false} {
		wants := []plan.Want{want(r, series, gr, api, "a", namespaced), want(r, series, gr, api, "b", namespaced)}
		read, ok := planned(wants)
		read.Objects = objects
		if ok {
			return read
		}
		if last.Alone == "" {
			last = read
		}
	}
	return last
}

// want is one of two reads, of the namespace or the selector that of says.
func want(r *rule.Rule, series string, gr schema.GroupResource, api metric.API, of string, namespaced bool) plan.Want {
	w := plan.Want{ID: metric.Identifier{API: api, Metric: "m", Resource: gr}, Rule: r, Series: series}
	switch {
	case api == metric.External && r.Namespaced():
		w.ID.Namespace = of
	case api == metric.External:
		w.MetricSelector = labels.SelectorFromSet(labels.Set{"label": of})
		w.ID.MetricSelector = w.MetricSelector.String()
	case namespaced:
		w.ID.Namespace, w.Names = of, []string{"x", "y"}
	default:
		w.ID.Name, w.Names = of, []string{of}
	}
	return w
}

func readUsage(r *rule.Rule, resource, objects string) Read {
	gr := schema.GroupResource{Resource: objects}
	var wants []plan.Want
	for _, of := range []string{"a", "b"} {
		w := want(r, "", gr, metric.Resource, of, objects == "pods")
		w.ID.Metric = resource
		wants = append(wants, w)
	}
	read, _ := planned(wants)
	read.Objects = objects
	return read
}

// planned says how two reads are asked; ok is false where there is no query for them.
func planned(wants []plan.Want) (read Read, ok bool) {
	p := plan.Make(wants, offline(), plan.DefaultLimits())
	if err := p.Failed[wants[0].ID]; err != nil {
		return Read{Alone: strings.TrimPrefix(err.Error(), "no query for "+wants[0].ID.Metric+": ")}, false
	}
	if len(p.Queries) == 0 {
		return Read{Alone: "there is nothing to ask"}, false
	}
	q := &p.Queries[0]
	read.PromQL = q.PromQL
	for _, g := range q.Parts[0].Given {
		read.tells = append(read.tells, g.Label)
	}
	if q.Parts[0].ContainerLabel != "" {
		read.tells = append(read.tells, q.Parts[0].ContainerLabel)
	}
	switch {
	case q.Shared(), len(p.Queries) == 1 && q.Alone == nil:
		read.Shared = true
	case q.Alone != nil:
		read.Alone = q.Alone.Error()
	default:
		read.Alone = "its reads have nothing in common"
	}
	return read, true
}

// rootScoped says whether objects of a kind of Kubernetes are of no namespace.
func rootScoped(gr schema.GroupResource) bool {
	return gr.Group == "" && slices.Contains([]string{"namespaces", "nodes", "persistentvolumes"}, gr.Resource)
}

// kindsOfKubernetes are those that rules are mostly about, by group.
func kindsOfKubernetes() map[string][]string {
	return map[string][]string{
		"":                  {"Pod", "Node", "Namespace", "Service", "PersistentVolumeClaim", "PersistentVolume", "ReplicationController"},
		"apps":              {"Deployment", "StatefulSet", "ReplicaSet", "DaemonSet"},
		"batch":             {"Job", "CronJob"},
		"networking.k8s.io": {"Ingress"},
	}
}

// offline knows the kinds of Kubernetes without a cluster, and takes others as they are
// written.
func offline() rule.Mapper {
	m := meta.NewDefaultRESTMapper(nil)
	for group, kinds := range kindsOfKubernetes() {
		for _, kind := range kinds {
			m.Add(schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind}, meta.RESTScopeNamespace)
		}
	}
	return guessing{m}
}

type guessing struct{ known *meta.DefaultRESTMapper }

func (g guessing) ResourceFor(partial schema.GroupVersionResource) (schema.GroupVersionResource, error) {
	found, err := g.known.ResourceFor(partial)
	if err == nil {
		return found, err
	}
	if !strings.HasSuffix(partial.Resource, "s") {
		plural, _ := meta.UnsafeGuessKindToResource(partial.GroupVersion().WithKind(partial.Resource))
		return plural, nil
	}
	return partial, nil
}

func (g guessing) ResourceSingularizer(resource string) (string, error) {
	if singular, err := g.known.ResourceSingularizer(resource); err == nil {
		return singular, nil
	}
	return strings.TrimSuffix(resource, "s"), nil
}
