package rule

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Mapper is the part of meta.RESTMapper that rules use.
type Mapper interface {
	ResourceFor(partial schema.GroupVersionResource) (schema.GroupVersionResource, error)
	ResourceSingularizer(resource string) (string, error)
}

// Object is a kind of object that a series describes.
type Object struct {
	// Resource is normalized by the Mapper: lower-case plural with its group.
	Resource schema.GroupResource
	// Label is the series label whose value is the object's name.
	Label string
}

// association maps labels to resources and back.
type association struct {
	path      string
	overrides []override
	template  *labelTemplate // nil without resources.template
}

type override struct {
	path, label string
	resource    schema.GroupResource // as written: singular or plural
}

func namespaces() schema.GroupResource { return schema.GroupResource{Resource: "namespaces"} }

// normalize returns the lower-case plural of a resource and its group, which a
// configuration may leave to the cluster to know.
func normalize(m Mapper, gr schema.GroupResource) (schema.GroupResource, error) {
	gvr, err := m.ResourceFor(gr.WithVersion(""))
	if err != nil {
		return schema.GroupResource{}, err
	}
	return gvr.GroupResource(), nil
}

// objects returns what a series with these labels describes. The error joins what
// could not be looked up; the objects returned with it are right all the same.
func (a *association) objects(m Mapper, labelNames []string) ([]Object, error) {
	var out []Object
	var errs []error
	for _, label := range labelNames {
		resource, found, err := a.resourceFor(m, label)
		if err != nil {
			errs = append(errs, err)
		}
		if found {
			out = append(out, Object{Resource: resource, Label: label})
		}
	}
	slices.SortFunc(out, func(x, y Object) int {
		return strings.Compare(x.Resource.String()+" "+x.Label, y.Resource.String()+" "+y.Label)
	})
	return slices.Compact(out), errors.Join(errs...)
}

// resourceFor returns the resource that a label names. A label counts only if
// labelFor leads back to it: a query is built with that label, so any other would
// offer a metric that has no values.
func (a *association) resourceFor(m Mapper, label string) (schema.GroupResource, bool, error) {
	for _, o := range a.overrides {
		if o.label != label {
			continue
		}
		resource, err := normalize(m, o.resource)
		if err != nil {
			return schema.GroupResource{}, false, fmt.Errorf("%s: the resource %s cannot be found in the cluster (%w): correct it, or install what defines it", o.path, o.resource, err)
		}
		if _, err := a.labelFor(m, resource); err != nil {
			return schema.GroupResource{}, false, err
		}
		return resource, true, nil
	}
	if a.template == nil {
		return schema.GroupResource{}, false, nil
	}
	var errs []error
	for _, candidate := range a.template.candidates(label) {
		resource, err := normalize(m, candidate)
		switch {
		case meta.IsNoMatchError(err): // most labels are no resources
			continue
		case err != nil:
			errs = append(errs, fmt.Errorf("%s.template: looking up the label %q as a resource: %w", a.path, label, err))
			continue
		}
		if back, err := a.labelFor(m, resource); err == nil && back == label {
			return resource, true, nil
		}
	}
	return schema.GroupResource{}, false, errors.Join(errs...)
}

// labelFor returns the label that names objects of a normalized resource.
func (a *association) labelFor(m Mapper, resource schema.GroupResource) (string, error) {
	var labels, failed []string
	for _, o := range a.overrides {
		normal, err := normalize(m, o.resource)
		switch {
		case err == nil && normal == resource:
			labels = append(labels, o.label)
		case err != nil && !meta.IsNoMatchError(err):
			failed = append(failed, fmt.Sprintf("%s (%s)", o.resource, err))
		}
	}
	switch {
	case len(labels) == 1:
		return labels[0], nil
	case len(labels) > 1:
		return "", fmt.Errorf("%s.overrides: the labels %s all mean %s: keep one", a.path, strings.Join(labels, ", "), resource)
	case len(failed) > 0: // one of these could be it
		return "", fmt.Errorf("%s.overrides: cannot be looked up now: %s", a.path, strings.Join(failed, ", "))
	case a.template == nil:
		return "", fmt.Errorf("%s: no label is given for %s: add to overrides LABEL: {group: %q, resource: %q}", a.path, resource, resource.Group, resource.Resource)
	}
	singular, err := m.ResourceSingularizer(resource.Resource)
	if err != nil {
		return "", fmt.Errorf("%s.template: no singular is known for %s: %w", a.path, resource, err)
	}
	label, err := a.template.label(resource.Group, singular)
	if err != nil {
		return "", fmt.Errorf("%s.template: %w", a.path, err)
	}
	return label, nil
}

// coreLabel returns the label for a resource of the core group, by its singular, as far as
// it is known without a cluster: the file is checked before there is one.
func (a *association) coreLabel(singular string) string {
	for _, o := range a.overrides {
		if sameResource(o.resource, schema.GroupResource{Resource: singular}) {
			return o.label
		}
	}
	if a.template == nil {
		return ""
	}
	label, err := a.template.label("", singular)
	if err != nil {
		return ""
	}
	return label
}

// sameResource compares two resources as written, singular or plural.
func sameResource(a, b schema.GroupResource) bool {
	return a.Group == b.Group && strings.TrimSuffix(a.Resource, "s") == strings.TrimSuffix(b.Resource, "s")
}

func compileAssociation(raw rawResources, p *problems) association {
	a := association{path: raw.path}
	if t := raw.template; t.value != "" {
		parsed, err := parseLabelTemplate(t.value)
		if err != nil {
			p.add(a.path+".template", t.line, "%s", err)
		}
		a.template = parsed
	}
	for _, o := range raw.overrides {
		resource := schema.GroupResource{Group: strings.TrimSpace(o.group), Resource: strings.ToLower(strings.TrimSpace(o.resource))}
		switch {
		case resource.Resource == "":
			p.add(o.path+".resource", o.line, "is missing: name the resource, for example pod")
			continue
		case !validLabel(o.label):
			p.add(o.path, o.line, "%q is not a label name", clip(o.label))
			continue
		}
		for _, other := range a.overrides {
			if sameResource(other.resource, resource) {
				p.add(o.path, o.line, "means %s, and so does the label %s: keep one, or it is open which of them a query uses", resource, other.label)
			}
		}
		a.overrides = append(a.overrides, override{path: o.path, label: o.label, resource: resource})
	}
	return a
}

func validLabel(name string) bool {
	return model.UTF8Validation.IsValidLabelName(name) && name != model.MetricNameLabel
}
