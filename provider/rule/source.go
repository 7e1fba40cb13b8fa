package rule

import (
	"cmp"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

// DefaultSource is what the source of the command line is called where it needs a name, as
// in a label of our own metrics. No source of a file can have it.
const DefaultSource = "default"

// SourceLabel is the name of a source for people: that of the command line, of which rules
// say nothing, has one, too.
func SourceLabel(name string) string { return cmp.Or(name, DefaultSource) }

// maxSources bounds the sources of a file, each of which has connections and goroutines of
// its own.
const maxSources = 100

// Source is a metrics source as a file describes it. How it is reached is for whoever reaches
// it to check and to do; what is zero is not given.
type Source struct {
	// ID is its place in the file, such as sources[1].
	ID string
	// Name is that by which rules name it.
	Name string

	URL, Verb                             string
	AuthInCluster                         bool
	AuthConfig, CAFile, CertFile, KeyFile string
	TokenFile, Username, PasswordFile     string
	Headers                               []string // NAME=VALUE, sorted
	DisableHTTP2                          bool
	SampleMaxAge                          *time.Duration // 0 leaves it to the source
	QueryTimeout                          time.Duration
	QueryConcurrency, MaxAnswerValues     int
	MaxAnswerBytes, MaxSeriesBytes        int64
}

// Same says whether two are one source, reached in the same way, wherever they stand in
// their files.
func (s Source) Same(other Source) bool {
	s.ID, other.ID = "", ""
	return reflect.DeepEqual(s, other)
}

// Check says what is wrong with a source beyond its form, a line for each mistake. A line
// may begin with the key that it is about and a colon. It must do no I/O.
type Check func(Source) error

// sources are those of a file, and which of them are named.
type sources struct {
	list  []Source
	named map[string]bool // by name; false until a rule names it
}

// compileSources compiles the section sources.
func compileSources(raw []rawSource, checks []Check, p *problems) *sources {
	s := &sources{named: map[string]bool{}}
	if len(raw) > maxSources {
		p.add("sources", raw[maxSources].line, "has %d sources, more than %d", len(raw), maxSources)
		raw = raw[:maxSources]
	}
	first := map[string]string{} // the place of each name
	for _, r := range raw {
		one := r.compile(p)
		switch other := first[one.Name]; {
		case one.Name == "":
		case other != "":
			p.add(r.path+".name", r.texts["name"].line, "%q is the name of %s as well", one.Name, other)
		default:
			first[one.Name] = r.path
			s.named[one.Name] = false
		}
		for _, check := range checks {
			if check != nil {
				r.report(check(one), p)
			}
		}
		s.list = append(s.list, one)
	}
	return s
}

// compile reads one source.
func (r rawSource) compile(p *problems) Source {
	t := r.texts
	s := Source{
		ID: r.path, Name: t["name"].value, URL: t["url"].value, Verb: t["verb"].value,
		AuthInCluster: r.switches["authInCluster"], DisableHTTP2: r.switches["disableHTTP2"],
		AuthConfig: t["authConfig"].value, CAFile: t["caFile"].value, CertFile: t["certFile"].value, KeyFile: t["keyFile"].value,
		TokenFile: t["tokenFile"].value, Username: t["username"].value, PasswordFile: t["passwordFile"].value,
		SampleMaxAge:     r.duration("sampleMaxAge", 0, 24*time.Hour, p),
		QueryConcurrency: int(r.number("queryConcurrency", 1000, p)), MaxAnswerValues: int(r.number("maxAnswerValues", 1<<30, p)),
		MaxAnswerBytes: r.number("maxAnswerBytes", 1<<40, p), MaxSeriesBytes: r.number("maxSeriesBytes", 1<<40, p),
	}
	if timeout := r.duration("queryTimeout", 10*time.Millisecond, time.Minute, p); timeout != nil {
		s.QueryTimeout = *timeout
	}
	r.checkName(p)
	r.checkURL(p)
	s.Headers = r.compileHeaders(p)
	return s
}

func (r rawSource) checkName(p *problems) {
	name := r.texts["name"]
	switch {
	case name.value == "":
		p.add(r.path+".name", cmp.Or(name.line, r.line), "is missing: give the name by which rules name this source")
	case name.value == DefaultSource:
		p.add(r.path+".name", name.line, "%q is what the source of --prometheus-url is called: choose another", DefaultSource)
	case len(validation.IsDNS1123Label(name.value)) > 0:
		p.add(r.path+".name", name.line, "%q is no name: use up to 63 lower-case letters, digits and inner hyphens", clip(name.value))
	}
}

// checkURL leaves the rest of it to a Check. A file of rules is a ConfigMap, which many may
// read: so a secret in it is a leak.
func (r rawSource) checkURL(p *problems) {
	address := r.texts["url"]
	if address.value == "" {
		p.add(r.path+".url", cmp.Or(address.line, r.line), "is missing: give the base URL of a Prometheus HTTP API, for example http://prometheus.monitoring.svc:9090")
		return
	}
	if u, err := url.Parse(address.value); err == nil && u.User != nil {
		p.add(r.path+".url", address.line, "has a user or password, which whoever may read this file would see: give username and passwordFile")
	}
}

// compileHeaders returns NAME=VALUE pairs.
func (r rawSource) compileHeaders(p *problems) (pairs []string) {
	for _, h := range r.headers {
		at := r.path + ".headers." + clip(h.name)
		switch {
		case h.name == "" || strings.ContainsFunc(h.name, notToken):
			p.add(at, h.line, "is no name of a header")
		case slices.ContainsFunc(secretHeaders(), func(s string) bool { return strings.EqualFold(s, h.name) }):
			p.add(at, h.line, "is a secret, which whoever may read this file would see: give tokenFile, or username and passwordFile")
		default:
			pairs = append(pairs, h.name+"="+h.value)
		}
	}
	slices.Sort(pairs)
	return pairs
}

// notToken says of a character that the name of a header cannot have it.
func notToken(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}

// secretHeaders are those that are secrets and nothing else.
func secretHeaders() []string { return []string{"Authorization", "Cookie", "Proxy-Authorization"} }

// report puts what a Check says in its place.
func (r rawSource) report(err error, p *problems) {
	if err == nil {
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		key, text, ok := strings.Cut(line, ": ")
		if !ok || !slices.Contains(sourceKeys(), key) {
			p.add(r.path, r.line, "%s", line)
			continue
		}
		if key == "url" && r.texts["url"].value == "" { // which is said already
			continue
		}
		p.add(r.path+"."+key, cmp.Or(r.lines[key], r.line), "%s", text)
	}
}

// use returns the source that a rule names, and notes that it is named. Empty is none.
func (s *sources) use(path string, name text, p *problems) string {
	if name.line == 0 {
		return ""
	}
	if _, known := s.named[name.value]; !known {
		p.add(path+".source", name.line, "there is no source %q: %s", clip(name.value), s.hint(name.value))
		return ""
	}
	s.named[name.value] = true
	return name.value
}

func (s *sources) hint(name string) string {
	switch {
	case name == "" || name == DefaultSource:
		return "leave it out for the source of --prometheus-url"
	case len(s.named) == 0:
		return "name one in the section sources"
	}
	var names []string
	for _, one := range s.list {
		if one.Name != "" {
			names = append(names, one.Name)
		}
	}
	return "known are " + clip(strings.Join(names, ", "))
}

// unused warns of sources that nobody names.
func (s *sources) unused() (warnings []string) {
	for _, one := range s.list {
		if !s.named[one.Name] {
			warnings = append(warnings, fmt.Sprintf("%s: no rule names the source %q, so it is asked nothing", one.ID, one.Name))
		}
	}
	return warnings
}
