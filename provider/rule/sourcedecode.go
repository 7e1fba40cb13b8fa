package rule

import (
	"fmt"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// rawSource is a source as written: shapes checked, meanings not.
type rawSource struct {
	path     string
	line     int
	texts    map[string]text // by key
	switches map[string]bool
	headers  []rawHeader
	lines    map[string]int // of what is there, by key
}

type rawHeader struct {
	name, value string
	line        int
}

// sourceKeys are the keys of a source.
func sourceKeys() []string {
	return []string{
		"name", "url", "verb", "authInCluster", "authConfig", "caFile", "certFile", "keyFile", "tokenFile", "username", "passwordFile",
		"headers", "disableHTTP2", "sampleMaxAge", "queryTimeout", "queryConcurrency", "maxAnswerBytes", "maxAnswerValues", "maxSeriesBytes",
	}
}

func (r *reader) sources(path string, n *yaml.Node) []rawSource {
	var out []rawSource
	for i, element := range r.list(path, n) {
		at := fmt.Sprintf("%s[%d]", path, i)
		fields, _ := r.mapping(at, element, sourceKeys()...)
		s := rawSource{path: at, line: element.Line, texts: map[string]text{}, switches: map[string]bool{}, lines: map[string]int{}}
		for _, key := range sourceKeys() {
			field := fields[key]
			if field == nil {
				continue
			}
			s.lines[key] = field.Line
			switch key {
			case "authInCluster", "disableHTTP2":
				on := r.boolean(at+"."+key, field)
				s.switches[key] = on != nil && *on
			case "headers":
				s.headers = r.headers(at+"."+key, field)
			default:
				s.texts[key] = r.text(at+"."+key, field)
			}
		}
		out = append(out, s)
	}
	return out
}

func (r *reader) headers(path string, n *yaml.Node) (out []rawHeader) {
	values, order := r.mapping(path, n)
	for _, key := range order {
		value := r.text(path+"."+clip(key.Value), values[key.Value])
		out = append(out, rawHeader{name: key.Value, value: value.value, line: key.Line})
	}
	return out
}

// duration reads a duration; nil if there is none, or none that can be used.
func (r rawSource) duration(key string, least, most time.Duration, p *problems) *time.Duration {
	given := r.texts[key]
	if given.line == 0 {
		return nil
	}
	d, err := time.ParseDuration(given.value)
	if err != nil || d < least || d > most || d > 0 && d < time.Millisecond {
		p.add(r.path+"."+key, given.line, "%q is no duration from %s to %s, such as 30s", clip(given.value), least, most)
		return nil
	}
	return &d
}

// number reads a number from 1; 0 if there is none, or none that can be used.
func (r rawSource) number(key string, most int64, p *problems) int64 {
	given := r.texts[key]
	if given.line == 0 {
		return 0
	}
	n, err := strconv.ParseInt(given.value, 10, 64)
	if err != nil || n < 1 || n > most {
		p.add(r.path+"."+key, given.line, "%q is no whole number from 1 to %d", clip(given.value), most)
		return 0
	}
	return n
}
