package query

import "github.com/prometheus/prometheus/promql/parser"

// allowed says of each function that PromQL has whether a query may call it.
//
// What is there computes from its arguments alone. A function of a newer PromQL is on
// neither side, and refused; a test asks for a decision about it. Not allowed are:
//   - info, which reads series without a selector that could be confined;
//   - end, range, start, step, max_of and min_of, which belong to expressions of
//     durations: with them the bounds on ranges say nothing;
//   - what else is experimental: a source need not have it, and it may change.
func allowed(function string) (yes, known bool) {
	switch function {
	case "abs", "ceil", "clamp", "clamp_max", "clamp_min", "exp", "floor", "ln", "log10", "log2", "round", "sgn", "sqrt",
		"acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "deg", "pi", "rad", "sin", "sinh", "tan", "tanh",
		"absent", "absent_over_time", "label_join", "label_replace", "scalar", "sort", "sort_desc", "vector",
		"day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "time", "timestamp", "year",
		"changes", "delta", "deriv", "idelta", "increase", "irate", "predict_linear", "rate", "resets",
		"avg_over_time", "count_over_time", "first_over_time", "last_over_time", "max_over_time", "min_over_time",
		"present_over_time", "quantile_over_time", "stddev_over_time", "stdvar_over_time", "sum_over_time",
		"histogram_avg", "histogram_count", "histogram_fraction", "histogram_quantile", "histogram_stddev", "histogram_stdvar", "histogram_sum":
		return true, true
	case "info",
		"end", "max_of", "min_of", "range", "start", "step",
		"double_exponential_smoothing", "histogram_quantiles", "mad_over_time", "sort_by_label", "sort_by_label_desc", "start_timestamp",
		"ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time":
		return false, true
	}
	return false, false
}

// operator says the same of an aggregation or a binary or unary operator.
func operator(op parser.ItemType) (yes, known bool) {
	switch op {
	case parser.SUM, parser.AVG, parser.COUNT, parser.MIN, parser.MAX, parser.GROUP, parser.STDDEV, parser.STDVAR,
		parser.TOPK, parser.BOTTOMK, parser.COUNT_VALUES, parser.QUANTILE,
		parser.ADD, parser.SUB, parser.MUL, parser.DIV, parser.MOD, parser.POW, parser.ATAN2,
		parser.EQLC, parser.NEQ, parser.LTE, parser.LSS, parser.GTE, parser.GTR,
		parser.LAND, parser.LOR, parser.LUNLESS:
		return true, true
	case parser.LIMITK, parser.LIMIT_RATIO: // experimental
		return false, true
	case parser.TRIM_UPPER, parser.TRIM_LOWER: // of native histograms, which older sources cannot trim
		return false, true
	case parser.EQL_REGEX, parser.NEQ_REGEX: // of matchers
		return false, true
	}
	return false, false
}
