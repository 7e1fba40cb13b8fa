package guard

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// versionWord matches the values of labels by which releases of one application are told
// apart.
var versionWord = regexp.MustCompile(`^(blue|green|red|black|stable|canary|baseline|primary|preview|active|old|new|current|next|[ab]|v?[0-9]+([._-][0-9A-Za-z]+)*)$`)

// versionKeys are the last parts of the keys of such labels.
func versionKey(k string) bool {
	if i := strings.LastIndexByte(k, '/'); i >= 0 {
		k = k[i+1:]
	}
	switch strings.ToLower(k) {
	case "version", "color", "colour", "slot", "track", "revision", "variant", "release-track", "deployment", "rollout", "phase", "generation":
		return true
	}
	return false
}

// versionLike says whether a label with these values tells releases apart.
func versionLike(k, a, b string) bool {
	return versionKey(k) || versionWord.MatchString(a) && versionWord.MatchString(b)
}

// colours says whether two sets of pod labels are of two releases of one application,
// and returns the keys that tell them apart: the same keys, all values the same but
// those, and at least one the same.
func colours(a, b map[string]string) []string {
	var keys []string
	same := 0
	for _, k := range slices.Sorted(maps.Keys(a)) {
		v, ok := b[k]
		switch {
		case !ok:
			return nil
		case v == a[k]:
			same++
		case !versionLike(k, a[k], v):
			return nil
		default:
			keys = append(keys, k)
		}
	}
	if same == 0 || len(a) != len(b) {
		return nil
	}
	return keys
}
