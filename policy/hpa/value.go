package hpa

import (
	"fmt"
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// ValueAt is what an HPA has at a path that Differences names, for people; empty where there
// is nothing, or more than one value.
func ValueAt(h *autoscalingv2.HorizontalPodAutoscaler, path string) string {
	rest, ok := strings.CutPrefix(path, "spec")
	if !ok {
		return ""
	}
	var at any = fields(&h.Spec)
	for rest != "" {
		var key string
		if inside, is := strings.CutPrefix(rest, "["); is {
			key, rest, _ = strings.Cut(inside, "]")
		} else {
			rest = rest[1:]
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			key, rest = rest[:end], rest[end:]
		}
		switch of := at.(type) {
		case map[string]any:
			at = of[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(of) {
				return ""
			}
			at = of[i]
		default:
			return ""
		}
	}
	switch at.(type) {
	case nil, map[string]any, []any:
		return ""
	}
	return fmt.Sprint(at)
}
