package rule

import "go.yaml.in/yaml/v3"

// rawUsage is the section resourceRules as written.
type rawUsage struct {
	path        string
	line        int
	window      text
	cpu, memory rawResource
}

// rawResource is what it has for one of cpu and memory.
type rawResource struct {
	path                                  string
	line                                  int
	containerQuery, nodeQuery, containers text
	source                                text
	resources                             rawResources
}

func (r *reader) usage(path string, n *yaml.Node) *rawUsage {
	fields, _ := r.mapping(path, n, "cpu", "memory", "window")
	return &rawUsage{
		path:   path,
		line:   n.Line,
		window: r.text(path+".window", fields["window"]),
		cpu:    r.resource(path+".cpu", n.Line, fields["cpu"]),
		memory: r.resource(path+".memory", n.Line, fields["memory"]),
	}
}

// resource takes the section's line for the case that the field is absent.
func (r *reader) resource(path string, line int, n *yaml.Node) rawResource {
	if n != nil {
		line = n.Line
	}
	fields, _ := r.mapping(path, n, "containerQuery", "nodeQuery", "resources", "containerLabel", "source")
	return rawResource{
		path:           path,
		line:           line,
		containerQuery: r.text(path+".containerQuery", fields["containerQuery"]),
		nodeQuery:      r.text(path+".nodeQuery", fields["nodeQuery"]),
		containers:     r.text(path+".containerLabel", fields["containerLabel"]),
		source:         r.text(path+".source", fields["source"]),
		resources:      r.resources(path+".resources", line, fields["resources"]),
	}
}
