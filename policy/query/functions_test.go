package query

import (
	"maps"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// TestEveryFunctionIsDecided fails when the parser has gained a function or an
// operator: somebody has to look whether it reads series of its own accord.
func TestEveryFunctionIsDecided(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(parser.Functions)) {
		yes, known := allowed(name)
		if !known {
			t.Errorf("the function %s is new: say in allowed whether a query may call it", name)
		}
		if yes && parser.Functions[name].Experimental {
			t.Errorf("the function %s is experimental and allowed", name)
		}
	}
	for op, text := range parser.ItemTypeStr {
		if (op.IsOperator() || op.IsAggregator()) && op != parser.AT {
			if yes, known := operator(op); !known || yes && op.IsExperimentalAggregator() {
				t.Errorf("the operator %s: known %v, allowed %v", text, known, yes)
			}
		}
	}
	for _, name := range []string{"info", "start", "end", "step", "range", "max_of", "min_of", "nonsense"} {
		if yes, _ := allowed(name); yes {
			t.Errorf("%s is allowed", name)
		}
	}
}
