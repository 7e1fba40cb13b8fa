package rule

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Marks stand for the group and the resource while the template is turned around.
// They are letters only, so that no template function escapes them.
const (
	groupMark    = "loadlineGroupMark"
	resourceMark = "loadlineResourceMark"
)

// labelTemplate makes a label name of a resource and, turned around, resources of
// a label name.
type labelTemplate struct {
	text     string
	template *textTemplate
	shapes   []labelShape
}

// labelShape is a rendered template cut at its marks.
type labelShape struct {
	before, between, after string
	hasGroup, groupFirst   bool
}

func parseLabelTemplate(text string) (*labelTemplate, error) {
	parsed, err := parseTemplate("template", text, []string{"Group", "Resource"}, nil)
	if err != nil {
		return nil, err
	}
	t := &labelTemplate{text: text, template: parsed}
	for _, group := range []string{groupMark, ""} { // a template may leave out an empty group
		rendered, err := parsed.execute(schema.GroupResource{Group: group, Resource: resourceMark})
		if err != nil {
			return nil, err
		}
		if strings.Count(rendered, resourceMark) != 1 || strings.Count(rendered, groupMark) > 1 {
			return nil, errors.New("must contain <<.Resource>> once and <<.Group>> at most once, unchanged: labels are recognised by them")
		}
		t.shapes = append(t.shapes, cutShape(rendered))
	}
	if _, err := t.label("apps", "deployment"); err != nil {
		return nil, err
	}
	return t, nil
}

func cutShape(rendered string) labelShape {
	if !strings.Contains(rendered, groupMark) {
		before, after, _ := strings.Cut(rendered, resourceMark)
		return labelShape{before: before, after: after}
	}
	first, second := groupMark, resourceMark
	groupFirst := strings.Index(rendered, groupMark) < strings.Index(rendered, resourceMark)
	if !groupFirst {
		first, second = second, first
	}
	before, rest, _ := strings.Cut(rendered, first)
	between, after, _ := strings.Cut(rest, second)
	return labelShape{before: before, between: between, after: after, hasGroup: true, groupFirst: groupFirst}
}

// label returns the label name for a resource in the singular.
func (t *labelTemplate) label(group, singular string) (string, error) {
	label, err := t.template.execute(schema.GroupResource{
		Group:    strings.NewReplacer(".", "_", "-", "_").Replace(group),
		Resource: singular,
	})
	if err != nil {
		return "", err
	}
	if !validLabel(label) {
		return "", fmt.Errorf("renders to %q, which is not a label name", clip(label))
	}
	return label, nil
}

// candidates returns the resources a label may mean, likeliest first. A group's
// dots and dashes became underscores; they are guessed to have been dots.
func (t *labelTemplate) candidates(label string) []schema.GroupResource {
	var out []schema.GroupResource
	add := func(group, resource string) {
		// A resource's name is a DNS label. This leaves out most labels before the
		// cluster is asked.
		candidate := schema.GroupResource{Group: strings.ReplaceAll(group, "_", "."), Resource: resource}
		if len(validation.IsDNS1035Label(resource)) == 0 && !slices.Contains(out, candidate) {
			out = append(out, candidate)
		}
	}
	for _, shape := range t.shapes {
		middle, ok := inside(label, shape.before, shape.after)
		if !ok {
			continue
		}
		if !shape.hasGroup {
			add("", middle)
			continue
		}
		for i := 1; i+len(shape.between) < len(middle); i++ {
			if !strings.HasPrefix(middle[i:], shape.between) {
				continue
			}
			left, right := middle[:i], middle[i+len(shape.between):]
			if shape.groupFirst {
				add(left, right)
			} else {
				add(right, left)
			}
		}
	}
	return out
}

func inside(s, before, after string) (string, bool) {
	s, hasBefore := strings.CutPrefix(s, before)
	s, hasAfter := strings.CutSuffix(s, after)
	return s, hasBefore && hasAfter && s != ""
}
