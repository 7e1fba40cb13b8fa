package diagnose

import (
	"strings"

	"github.com/loadline/loadline/provider/demand"
)

// places says in which namespaces a wanted metric is shown, and what is to be known of it in
// each. Most are of one. A metric of a root-scoped object, such as a node, is of none: it is
// shown where HPAs reference it, which their owners know, with those of the same namespace;
// when it was read last is not, for that may have been by others. What was read through no
// namespace, and what was read of all at once ("*"), is shown nowhere.
func places(w demand.Want) map[string]want {
	if home := demand.Home(w.ID); home != "" {
		if home == "*" {
			return nil
		}
		return map[string]want{home: {id: w.ID, hpas: namesIn(w.HPAs, home), read: w.Read}}
	}
	all := map[string]want{}
	for _, key := range w.HPAs {
		namespace, _, _ := strings.Cut(key, "/")
		if _, done := all[namespace]; !done {
			all[namespace] = want{id: w.ID, hpas: namesIn(w.HPAs, namespace)}
		}
	}
	return all
}

// namesIn are the names of the HPAs of a namespace, of keys NAMESPACE/NAME.
func namesIn(keys []string, namespace string) (names []string) {
	for _, key := range keys {
		if name, is := strings.CutPrefix(key, namespace+"/"); is {
			names = append(names, name)
		}
	}
	return names
}
