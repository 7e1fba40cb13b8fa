package rule

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxBytes is the largest configuration Compile reads. A ConfigMap holds 1 MiB.
const MaxBytes = 4 << 20

// The raw types are the file as written: shapes checked, meanings not.
type rawFile struct {
	sources         []rawSource
	exporters       []rawExporter
	ruled           bool // there is a section of rules, if only an empty one
	rules, external []rawRule
	usage           *rawUsage // nil without resourceRules
}

type rawRule struct {
	path         string
	line         int
	seriesQuery  text
	filters      []rawFilter
	resources    rawResources
	name         rawName
	metricsQuery text
	emptyValue   text
	source       text
}

type rawFilter struct {
	path      string
	line      int
	is, isNot text
}

type rawResources struct {
	path       string
	line       int
	template   text
	overrides  []rawOverride
	namespaced *bool
}

type rawOverride struct {
	path            string
	line            int
	label           string
	group, resource string
}

type rawName struct {
	path        string
	matches, as text
}

// decode reads the one YAML document in data. Its mistakes are in p; the result is
// nil if there is nothing to go on with.
func decode(data []byte, p *problems) *rawFile {
	root, err := document(data)
	if err != nil {
		p.add("", 0, "%s", err)
		return nil
	}
	r := &reader{problems: p}
	top, _ := r.mapping("", root, "rules", "externalRules", "resourceRules", "sources", "exporters")
	if len(top) == 0 {
		if len(p.list) == 0 {
			p.add("", 0, "the configuration is empty: it needs rules, externalRules, resourceRules or exporters")
		}
		return nil
	}
	file := &rawFile{
		sources:   r.sources("sources", top["sources"]),
		exporters: r.exporters("exporters", top["exporters"]),
		rules:     r.rules("rules", top["rules"]),
		external:  r.rules("externalRules", top["externalRules"]),
	}
	for _, section := range []string{"rules", "externalRules", "resourceRules"} {
		_, there := top[section]
		file.ruled = file.ruled || there
	}
	if n := r.resolve(top["resourceRules"]); n != nil {
		file.usage = r.usage("resourceRules", n)
	}
	return file
}

// document returns the root of the only document in data; nil for an empty one.
func document(data []byte) (*yaml.Node, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("the configuration has %d bytes, more than the limit of %d", len(data), MaxBytes)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var node yaml.Node
	if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("the configuration is not YAML: %s", clip(strings.TrimPrefix(err.Error(), "yaml: ")))
	}
	if err := decoder.Decode(new(yaml.Node)); err == nil {
		return nil, errors.New("the configuration has more than one YAML document: keep one")
	} else if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the configuration is not YAML: %s", clip(strings.TrimPrefix(err.Error(), "yaml: ")))
	}
	if len(node.Content) != 1 {
		return nil, nil
	}
	return node.Content[0], nil
}

func (r *reader) rules(path string, n *yaml.Node) []rawRule {
	var out []rawRule
	for i, element := range r.list(path, n) {
		at := fmt.Sprintf("%s[%d]", path, i)
		line := element.Line
		fields, _ := r.mapping(at, element, "seriesQuery", "seriesFilters", "resources", "name", "metricsQuery", "emptyValue", "source")
		out = append(out, rawRule{
			path:         at,
			line:         line,
			seriesQuery:  r.text(at+".seriesQuery", fields["seriesQuery"]),
			filters:      r.filters(at+".seriesFilters", fields["seriesFilters"]),
			resources:    r.resources(at+".resources", line, fields["resources"]),
			name:         r.name(at+".name", fields["name"]),
			metricsQuery: r.text(at+".metricsQuery", fields["metricsQuery"]),
			emptyValue:   r.text(at+".emptyValue", fields["emptyValue"]),
			source:       r.text(at+".source", fields["source"]),
		})
	}
	return out
}

func (r *reader) filters(path string, n *yaml.Node) []rawFilter {
	var out []rawFilter
	for i, element := range r.list(path, n) {
		at := fmt.Sprintf("%s[%d]", path, i)
		fields, _ := r.mapping(at, element, "is", "isNot")
		out = append(out, rawFilter{
			path:  at,
			line:  element.Line,
			is:    r.text(at+".is", fields["is"]),
			isNot: r.text(at+".isNot", fields["isNot"]),
		})
	}
	return out
}

// resources takes the rule's line for the case that the field is absent.
func (r *reader) resources(path string, line int, n *yaml.Node) rawResources {
	if n != nil {
		line = n.Line
	}
	fields, _ := r.mapping(path, n, "template", "overrides", "namespaced")
	out := rawResources{
		path:       path,
		line:       line,
		template:   r.text(path+".template", fields["template"]),
		namespaced: r.boolean(path+".namespaced", fields["namespaced"]),
	}
	overrides, order := r.mapping(path+".overrides", fields["overrides"])
	for _, key := range order {
		at := path + ".overrides." + clip(key.Value)
		target, _ := r.mapping(at, overrides[key.Value], "group", "resource")
		out.overrides = append(out.overrides, rawOverride{
			path:     at,
			line:     key.Line,
			label:    key.Value,
			group:    r.text(at+".group", target["group"]).value,
			resource: r.text(at+".resource", target["resource"]).value,
		})
	}
	return out
}

func (r *reader) name(path string, n *yaml.Node) rawName {
	fields, _ := r.mapping(path, n, "matches", "as")
	return rawName{
		path:    path,
		matches: r.text(path+".matches", fields["matches"]),
		as:      r.text(path+".as", fields["as"]),
	}
}
