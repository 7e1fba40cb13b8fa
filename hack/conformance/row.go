package conformance

// row is one way in which Loadline differs from prometheus-adapter on purpose.
type row struct {
	theirs string // what prometheus-adapter does
	ours   string
	// elsewhere is the test that shows what needs a source or a cluster that changes, as
	// FILE TEST; empty where there are cases.
	elsewhere string
}

// rows are all of them, by the word that a case names one with.
func rows() map[string]row {
	return map[string]row{
		"no-number": {
			theirs: "infinities and values above 9.2e15 turn into a huge negative quantity; NaN is 0 for custom metrics, and a huge negative quantity for external ones",
			ours:   "what is no number that a quantity can carry is an error, and never a number",
		},
		"evaluation-time": {
			theirs: "custom metrics carry the time of the answer",
			ours:   "they carry the time of the evaluation",
		},
		"usage": {
			theirs: "CPU or memory of a container is 0 where there is none of one of them, or where it is NaN or negative",
			ours:   "it is not given, and a container that has ended is left out",
		},
		"sample-age": {
			theirs: "an instant selector sees what an exporter said up to five minutes ago, so a dead one looks alive",
			ours:   "samples behind instant selectors are 150 s old at most (--sample-max-age)",
		},
		"duplicates": {
			theirs: "of several samples for one object the last is taken, silently",
			ours:   "they are an error that names the labels in which they differ",
		},
		"no-object": {
			theirs: "samples without the object's label give an empty list, silently",
			ours:   "an error that says which label is missing, at load where the query alone tells it",
		},
		"warnings": {
			theirs: "warnings in the source's answer are dropped",
			ours:   "a self-metric counts them by rule",
		},
		"alone": {
			theirs: "one rule whose series cannot be listed at start means no metrics at all",
			ours:   "rules fail alone",
		},
		"discovery": {
			theirs: "a list of series that hangs stops listing for good",
			ours:   "each selector is listed at its own pace and with a deadline", elsewhere: "provider/catalog/discover_test.go TestRulesHangAlone",
		},
		"names-fade": {
			theirs: "an empty list of series takes all names away at once",
			ours:   "a name outlives its series for a while", elsewhere: "provider/catalog/fade_test.go TestNamesFade",
		},
		"hangs": {
			theirs: "a Prometheus that hangs holds a reader for 60 s",
			ours:   "every read is answered within 2 s, with a value within its bound or with an error", elsewhere: "hack/e2e/storm_test.go Test7HungStorm",
		},
		"deadline": {
			theirs: "the parameter timeout of a query is always empty",
			ours:   "the source is told when nobody listens any more",
		},
		"new-kinds": {
			theirs: "a kind that is installed later needs a restart",
			ours:   "kinds are looked up again", elsewhere: "hack/e2e/kinds_test.go Test7Kinds",
		},
		"escaped": {
			theirs: "names in matchers are not escaped, so that a dot in one matches others",
			ours:   "names are meant literally",
		},
		"same-name": {
			theirs: "of two rules that give one name the later wins, silently",
			ours:   "refused at load where the file tells it, else said in the log and in a self-metric",
		},
		"external-namespace": {
			theirs: "an external rule without a label for namespaces answers 500 to every read",
			ours:   "it is refused at load",
		},
		"own-metrics": {
			theirs: "there are self-metrics only with resourceRules",
			ours:   "there are always",
		},
		"readyz": {
			theirs: "/readyz stays good while Prometheus is away, and nothing tells that it is",
			ours:   "/readyz stays good; a self-metric tells it", elsewhere: "hack/e2e/storm_test.go Test7HungStorm",
		},
		"reload": {
			theirs: "another configuration needs a restart",
			ours:   "the file is read again when it changes; a bad one leaves the last good one in use", elsewhere: "hack/e2e/reload_test.go Test6Reload",
		},
		"strict": {
			theirs: "a mistake in a rule is found when it is used, or stops the start with the first of them",
			ours:   "all mistakes of a file are said at once, each with its place and line",
		},
		"gone": {
			theirs: "an object that is gone, or never was, has a value by its name for as long as there are samples of it",
			ours:   "it is 404, unless the adapter may not list its kind",
		},
		"absent": {
			theirs: "a list of objects without any sample is an answer without items",
			ours:   "it is an error that names the query, for absence is not zero",
		},
	}
}
