package scrape

import (
	"strings"

	"github.com/loadline/loadline/provider/source/embedded/target"
)

// relayed is what the relay has to know of a target besides its address. It is written into
// the path that a scrape asks for, which is all that comes with it.
type relayed struct {
	scheme string
	scope  string // the namespace of which its series are; empty: any, for it speaks for others
	path   string
}

// anyScope is written in the place of a namespace, of which none is called so.
const anyScope = "-"

func relayedOf(t target.Target) relayed {
	r := relayed{scheme: t.Scheme, scope: t.Namespace, path: t.Path}
	if t.Exporter != "" {
		r.scope = ""
	}
	return r
}

// String is what parseRelayed reads.
func (r relayed) String() string {
	scope := r.scope
	if scope == "" {
		scope = anyScope
	}
	return "/" + r.scheme + "/" + scope + r.path
}

// parseRelayed reads the path of a request.
func parseRelayed(path string) (relayed, bool) {
	parts := strings.SplitN(path, "/", 4)
	if len(parts) != 4 || parts[0] != "" || parts[1] != "http" && parts[1] != "https" || parts[2] == "" {
		return relayed{}, false
	}
	r := relayed{scheme: parts[1], scope: parts[2], path: "/" + parts[3]}
	if r.scope == anyScope {
		r.scope = ""
	}
	return r, true
}
