package plan

import "github.com/prometheus/prometheus/promql/parser"

// perSeries are the functions whose result for a series is of that series alone, or of
// the buckets that differ in le only, with the place of the argument that has the series.
func perSeries() map[string]int {
	return map[string]int{
		"abs": 0, "acos": 0, "acosh": 0, "asin": 0, "asinh": 0, "atan": 0, "atanh": 0, "ceil": 0, "clamp": 0, "clamp_max": 0, "clamp_min": 0,
		"cos": 0, "cosh": 0, "deg": 0, "exp": 0, "floor": 0, "ln": 0, "log10": 0, "log2": 0, "rad": 0, "round": 0, "sgn": 0, "sin": 0, "sinh": 0,
		"sqrt": 0, "tan": 0, "tanh": 0, "timestamp": 0,

		"avg_over_time": 0, "changes": 0, "count_over_time": 0, "delta": 0, "deriv": 0, "idelta": 0, "increase": 0, "irate": 0, "last_over_time": 0,
		"max_over_time": 0, "min_over_time": 0, "predict_linear": 0, "present_over_time": 0, "quantile_over_time": 1, "rate": 0, "resets": 0,
		"stddev_over_time": 0, "stdvar_over_time": 0, "sum_over_time": 0,

		"histogram_avg": 0, "histogram_count": 0, "histogram_fraction": 2, "histogram_quantile": 1, "histogram_stddev": 0, "histogram_stdvar": 0, "histogram_sum": 0,
	}
}

// constant says whether a scalar is the same whatever the series are.
func constant(e parser.Expr) bool {
	switch e := e.(type) {
	case *parser.NumberLiteral:
		return true
	case *parser.ParenExpr:
		return constant(e.Expr)
	case *parser.UnaryExpr:
		return constant(e.Expr)
	case *parser.BinaryExpr:
		return constant(e.LHS) && constant(e.RHS)
	case *parser.Call:
		return len(e.Args) == 0 && (e.Func.Name == "pi" || e.Func.Name == "time")
	}
	return false
}
