package rule

import (
	"cmp"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/loadline/loadline/provider/endpoint"
)

// maxExporters bounds the exporters of a file: each Service among them is a watch.
const maxExporters = 100

// compileExporters compiles the section exporters.
func compileExporters(raw []rawExporter, p *problems) (list []endpoint.Exporter) {
	if len(raw) > maxExporters {
		p.add("exporters", raw[maxExporters].line, "has %d exporters, more than %d", len(raw), maxExporters)
		raw = raw[:maxExporters]
	}
	first := map[string]string{} // the place of each name
	for _, r := range raw {
		one := r.compile(p)
		switch other := first[one.Name]; {
		case one.Name == "":
		case other != "":
			p.add(r.path+".name", r.texts["name"].line, "%q is the name of %s as well: give each its own", clip(one.Name), other)
		default:
			first[one.Name] = r.path
		}
		list = append(list, one)
	}
	return list
}

// compile reads one exporter.
func (r rawExporter) compile(p *problems) endpoint.Exporter {
	e := endpoint.Exporter{Name: r.texts["name"].value, Namespace: r.texts["namespace"].value, Service: r.texts["service"].value, HonorLabels: r.honorLabels}
	r.checkName("name", "is missing: give a name, which the label job of its series will have", p)
	r.checkName("namespace", "is missing: give the namespace of the exporter's pods", p)
	switch service := r.texts["service"]; {
	case service.line > 0 && r.pods.line > 0:
		p.add(r.path, r.line, "has both podSelector and service: keep one")
	case service.line > 0:
		r.checkName("service", "is empty: give the name of a Service", p)
	case r.pods.line > 0:
		e.Pods = r.pods.compile(p)
	default:
		p.add(r.path, r.line, "says nothing of its pods: give podSelector, for example app=queue-exporter, or service")
	}
	e.Port, e.PortName = r.port(p)
	var err error
	if e.Path, err = endpoint.ParsePath(r.texts["path"].value); err != nil {
		p.add(r.path+".path", r.texts["path"].line, "%q %s: give one such as %s", clip(r.texts["path"].value), err, endpoint.DefaultPath)
	}
	if e.Scheme, err = endpoint.ParseScheme(r.texts["scheme"].value); err != nil {
		p.add(r.path+".scheme", r.texts["scheme"].line, "%q %s: give one of these", clip(r.texts["scheme"].value), err)
	}
	return e
}

// checkName checks the name of an object; missing is what is wrong if there is none.
func (r rawExporter) checkName(key, missing string, p *problems) {
	switch name := r.texts[key]; {
	case name.value == "":
		p.add(r.path+"."+key, cmp.Or(name.line, r.line), "%s", missing)
	case len(validation.IsDNS1123Label(name.value)) > 0:
		p.add(r.path+"."+key, name.line, "%q is no name: use up to 63 lower-case letters, digits and inner hyphens", clip(name.value))
	}
}

// port reads the number or the name of a port.
func (r rawExporter) port(p *problems) (number uint16, name string) {
	given := r.texts["port"]
	if given.value == "" {
		return 0, endpoint.PortName
	}
	if number, err := endpoint.ParsePort(given.value); err == nil {
		return number, ""
	}
	if len(validation.IsValidPortName(given.value)) > 0 {
		p.add(r.path+".port", given.line, "%q is neither a number from 1 to 65535 nor the name of a container port: give one, or leave it out for ports of the name %q", clip(given.value), endpoint.PortName)
	}
	return 0, given.value
}

// compile reads a selector; nil if it has problems.
func (r rawSelector) compile(p *problems) labels.Selector {
	if r.bad {
		return nil
	}
	selector := labels.NewSelector()
	if r.text.line > 0 {
		parsed, err := labels.Parse(r.text.value)
		if err != nil {
			p.add(r.path, r.line, "%q is no selector: %s", clip(r.text.value), clip(err.Error()))
			return nil
		}
		selector = parsed
	}
	for _, one := range r.requirements {
		requirement, err := labels.NewRequirement(one.key, one.operator, one.values)
		if err != nil {
			p.add(one.path, one.line, "is no requirement: %s", clip(err.Error()))
			return nil
		}
		selector = selector.Add(*requirement)
	}
	if selector.Empty() {
		p.add(r.path, r.line, "chooses every pod of the namespace: give labels that only the exporter's pods have")
		return nil
	}
	return selector
}
