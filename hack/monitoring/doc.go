// Package monitoring holds deploy/monitoring together: the alerts, which are written by
// hand as rule files of Prometheus, the manifests for the Prometheus operator, which are
// made of these, and the Grafana dashboard, which is made here. Its tests hold all of them
// to what the programs export (package exported), each alert to a page in docs/runbooks and
// to promtool's tests in testdata.
package monitoring
