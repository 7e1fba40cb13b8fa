// Package engine holds the newest samples of what is scraped, and evaluates PromQL over
// them: a Prometheus TSDB's head, which forgets after a while, and Prometheus' engine.
//
// Nothing is written to disk, and nothing outlives the process: there is no log to replay,
// no block, and no history beyond what queries look back at. After a start, and after the
// clock was set back, metrics are known again as soon as there are samples of them.
//
// The memory is bounded by the series that are held. At the bound, what is there stays, and
// what is new is refused; see Engine.Appender.
package engine
