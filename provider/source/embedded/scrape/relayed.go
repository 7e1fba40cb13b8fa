package scrape

import (
	"cmp"
	"strings"

	"github.com/loadline/loadline/provider/source/embedded/target"
)

// relayed is what the relay has to know of a target besides its address. It is written into
// the path that a scrape asks for, which is all that comes with it.
type relayed struct {
	scheme string
	within string // as within says
	path   string
}

// anybody is written in the place of no namespace, and none is called so.
const anybody = "-"

func relayedOf(t target.Target) relayed {
	return relayed{scheme: t.Scheme, within: within(t), path: t.Path}
}

// String is what parseRelayed reads.
func (r relayed) String() string {
	return "/" + r.scheme + "/" + cmp.Or(r.within, anybody) + r.path
}

// parseRelayed reads the path of a request.
func parseRelayed(path string) (relayed, bool) {
	parts := strings.SplitN(path, "/", 4)
	if len(parts) != 4 || parts[0] != "" || parts[1] != "http" && parts[1] != "https" || parts[2] == "" {
		return relayed{}, false
	}
	r := relayed{scheme: parts[1], within: parts[2], path: "/" + parts[3]}
	if r.within == anybody {
		r.within = ""
	}
	return r, true
}
