// Package operator pins the Prometheus operator, of which only the definition of
// the ServiceMonitor is used. The import is what keeps the pin in go.mod.
package operator

import _ "github.com/prometheus-operator/prometheus-operator/pkg/versionutil"
