package monitoring

// NewDashboard returns the dashboard of both programs. Its queries go by no job and no
// pod, as the alerts; an instance is an address that was scraped.
func NewDashboard() *Dashboard {
	var l layout
	glance(&l)
	reads(&l)
	sources(&l)
	held(&l)
	scrapes(&l)
	policies(&l)
	work(&l)
	return &Dashboard{
		UID: "loadline", Title: "Loadline", Tags: []string{"loadline", "autoscaling"},
		Description:   "loadline-adapter and loadline-policy: who reads what, how old it is, what holds sizes. docs/operate.md says how to read it.",
		SchemaVersion: 39, Editable: true, Refresh: "30s", Time: TimeRange{"now-3h", "now"},
		Templating: Templating{[]Variable{{"datasource", "Prometheus", "datasource", "prometheus"}}},
		Panels:     l.panels,
	}
}

// failed are the outcomes of reads for which nobody who reads is to blame.
const failed = `outcome=~"source-failed|stale|pending|objects-unknown|internal"`

func glance(l *layout) {
	l.row("At a glance")
	l.stat("Adapters", "Replicas of loadline-adapter that are ready.", "none", `sum(min by (instance) (loadline_ready)) or vector(0)`, 1, 0)
	l.stat("Reads that fail", "Part of the reads that fail for want of a source, of objects or of an evaluation.", "percentunit",
		`sum(rate(loadline_reads_total{`+failed+`}[5m])) / sum(rate(loadline_reads_total[5m]))`, 0, 0.3)
	l.stat("Oldest value", "Since its evaluation. Nothing where no value is served.", "s", `max(loadline_oldest_value_age_seconds)`, 0, 20)
	l.stat("Sources that do not answer", "", "none", `count(min by (source) (loadline_source_up) == 0) or vector(0)`, 0, 1)
	l.stat("Policy leaders", "Replicas of loadline-policy that work on policies.", "none", `sum(loadline_policy_leader)`, 1, 0)
	l.stat("Policies not in force", "Invalid, in conflict, or waiting for their target.", "none",
		`sum(loadline_policy_policies{state=~"Invalid|Conflict|Pending"}) or vector(0)`, 0, 1)
}

func reads(l *layout) {
	l.row("Adapter: reads")
	l.graph("Reads", "An HPA reads each metric every 15 s.", "reqps", query{`sum by (api) (rate(loadline_reads_total[5m]))`, "{{api}}"})
	l.graph("Reads without a value", "By the reason.", "reqps", query{`sum by (outcome) (rate(loadline_reads_total{outcome!="ok"}[5m]))`, "{{outcome}}"})
	l.graph("Metrics read most often without a value", `Queries of policies are one metric, and what no rule gives is "".`, "reqps",
		query{`topk(10, sum by (api, metric, outcome) (rate(loadline_reads_total{outcome!="ok"}[5m])))`, "{{api}} {{metric}}: {{outcome}}"})
	l.graph("Time of a read", "Without authentication, authorization and encoding.", "s",
		query{`histogram_quantile(0.5, sum by (le) (rate(loadline_read_duration_seconds_bucket[5m])))`, "half"},
		query{`histogram_quantile(0.99, sum by (le) (rate(loadline_read_duration_seconds_bucket[5m])))`, "99 of 100"})
	l.graph("Age of the oldest value", "", "s", query{`loadline_oldest_value_age_seconds`, "{{instance}}"})
	l.graph("Metric names served", "", "none", query{`max by (api) (loadline_metric_names)`, "{{api}}"})
}

func sources(l *layout) {
	l.row("Adapter: sources and configuration")
	l.share("Sources that answer", "1 where all replicas get answers.", query{`min by (source) (loadline_source_up)`, "{{source}}"})
	l.graph("Queries", "", "reqps", query{`sum by (source, outcome) (rate(loadline_queries_total[5m]))`, "{{source}}: {{outcome}}"})
	l.graph("Queries that fail, by rule", "", "reqps",
		query{`topk(10, sum by (source, rule, outcome) (rate(loadline_queries_total{outcome!="ok"}[5m])))`, "{{source}} {{rule}}: {{outcome}}"})
	l.graph("Time of a query", "99 of 100 are faster. --query-timeout is 5 s by default.", "s",
		query{`histogram_quantile(0.99, sum by (source, le) (rate(loadline_query_duration_seconds_bucket[5m])))`, "{{source}}"})
	l.graph("Warnings and discoveries that fail", "", "none",
		query{`sum by (source) (increase(loadline_query_warnings_total[5m]))`, "{{source}}: warnings in 5 min"},
		query{`max by (source) (loadline_rules_discovery_failed)`, "{{source}}: rules not discovered"})
	l.graph("Configuration", "Seconds since the configuration in use was loaded, and what is wrong with it.", "s",
		query{`time() - loadline_config_last_load_success_timestamp_seconds`, "{{instance}}"})
	l.graph("Rules in doubt", "", "none",
		query{`max(loadline_rule_conflicts)`, "metrics that two rules give"},
		query{`max(loadline_kinds_forbidden)`, "kinds that may not be listed"},
		query{`max(loadline_queries{state="refused"})`, "queries of policies refused"},
		query{`max(1 - loadline_config_last_load_successful)`, "a file that is not in use"})
	l.graph("Certificate", "Until it expires; a self-managed one is renewed 8 days before that at the latest.", "s",
		query{`min(loadline_serving_certificate_not_after_timestamp_seconds - time())`, "adapter"},
		query{`min(loadline_policy_webhook_serving_certificate_not_after_timestamp_seconds - time())`, "webhook"})
	l.graph("Certificate: problems", "", "none",
		query{`max(loadline_serving_certificate_problems)`, "adapter"},
		query{`max(loadline_policy_webhook_serving_certificate_problems)`, "webhook"})
}

func held(l *layout) {
	l.row("Adapter: what is held")
	l.graph("Metrics wanted", "Evaluated because an HPA references them, or because somebody reads them.", "none", query{`max by (why) (loadline_wanted)`, "{{why}}"})
	l.graph("Metrics and objects held", "", "none", query{`max(loadline_metrics_held)`, "metrics"}, query{`max(loadline_objects_held)`, "objects"})
	l.share("Limits", "Part of what is allowed.",
		query{`max(loadline_values_held / (loadline_values_held_limit > 0))`, "values"},
		query{`max(loadline_series_held / (loadline_series_held_limit > 0))`, "series"})
	l.graph("Refused", "Because of a limit.", "reqps",
		query{`sum(rate(loadline_wanted_rejections_total[5m]))`, "reads and references"}, query{`sum(rate(loadline_value_rejections_total[5m]))`, "evaluations"})
	l.graph("Memory", "", "bytes",
		query{`process_resident_memory_bytes and on (instance) loadline_metric_names`, "adapter {{instance}}"},
		query{`process_resident_memory_bytes and on (instance) loadline_policy_leader`, "policy {{instance}}"})
	l.graph("CPU", "In cores.", "none",
		query{`rate(process_cpu_seconds_total[5m]) and on (instance) loadline_metric_names`, "adapter {{instance}}"},
		query{`rate(process_cpu_seconds_total[5m]) and on (instance) loadline_policy_leader`, "policy {{instance}}"})
}

func scrapes(l *layout) {
	l.row("Adapter: scrapes (without --prometheus-url)")
	l.graph("Targets", "", "none", query{`max by (state) (loadline_scrape_targets)`, "{{state}}"})
	l.graph("Not scraped", "", "none",
		query{`max(loadline_scrape_targets_without_room)`, "targets without room"}, query{`max(loadline_scrape_pods_refused)`, "pods that say no metrics"})
	l.graph("Series held", "", "none", query{`loadline_series_held`, "{{instance}}"}, query{`max(loadline_series_held_limit)`, "limit"})
}

func policies(l *layout) {
	l.row("Policies")
	l.graph("Policies by state", "", "none", query{`sum by (state) (loadline_policy_policies)`, "{{state}}"})
	l.graph("What holds minimums up", "", "none", query{`sum by (owner_kind) (loadline_policy_floors)`, "{{owner_kind}}"})
	l.graph("Age of the oldest floor", "A rollout holds for an hour at most, unless its policy says otherwise.", "s",
		query{`max by (owner_kind) (loadline_policy_oldest_floor_age_seconds)`, "{{owner_kind}}"})
	l.graph("HPAs that are not what their policy says", "And that are left so: in mode DryRun, in a fight, or because the write is refused.", "none",
		query{`sum by (state) (loadline_policy_drifted)`, "{{state}}"})
	// With the namespace of the target that was scraped, the metric's own becomes
	// exported_namespace.
	l.graph("Objectives farthest above their target", "Current value by target: above 1 the HPA scales out, unless it is at its maximum.", "none",
		query{`topk(10, max by (exported_namespace, namespace, policy, objective) (loadline_policy_current_value / (loadline_policy_target_value > 0)))`,
			"{{exported_namespace}} {{namespace}} {{policy}}: {{objective}}"})
	l.graph("Writes", "None at rest, but for values in the status.", "wps", query{`sum by (resource, kind) (rate(loadline_policy_writes_total[5m]))`, "{{resource}} {{kind}}"})
	l.graph("Errors", "A conflict is another writer that was faster, and harmless.", "ops", query{`sum by (reason) (rate(loadline_policy_reconcile_errors_total[5m]))`, "{{reason}}"})
	l.graph("From a policy to its HPA", "Nine of ten are faster.", "s", query{`histogram_quantile(0.9, sum by (le) (rate(loadline_policy_applied_seconds_bucket[1h])))`, "9 of 10"})
}

func work(l *layout) {
	l.row("Policy controller")
	l.graph("Leader", "", "none", query{`loadline_policy_leader`, "{{instance}}"})
	l.graph("Work", "", "none",
		query{`sum(workqueue_depth{controller="autoscalingpolicy"} and on (instance) loadline_policy_leader == 1)`, "policies that wait"},
		query{`sum(controller_runtime_active_workers{controller="autoscalingpolicy"})`, "workers busy"},
		query{`max(controller_runtime_max_concurrent_reconciles{controller="autoscalingpolicy"})`, "workers"})
	l.graph("Time of a turn", "", "s",
		query{`histogram_quantile(0.5, sum by (le) (rate(loadline_policy_reconcile_seconds_bucket[5m])))`, "half"},
		query{`histogram_quantile(0.99, sum by (le) (rate(loadline_policy_reconcile_seconds_bucket[5m])))`, "99 of 100"})
	l.graph("Webhook: answers", "", "reqps", query{`sum by (path, outcome) (rate(loadline_policy_webhook_seconds_count[5m]))`, "{{path}}: {{outcome}}"})
	l.graph("Webhook: time of an answer", "The API server waits for 2 s.", "s",
		query{`histogram_quantile(0.99, sum by (path, le) (rate(loadline_policy_webhook_seconds_bucket[5m])))`, "{{path}}"})
	l.graph("Panics", "", "none", query{`sum(increase(controller_runtime_reconcile_panics_total{controller="autoscalingpolicy"}[5m]))`, "in 5 min"})
}
