// Package builtin has the rules for the usual cases, so that these need no configuration.
// They are a configuration like any other.
package builtin

import (
	"bytes"
	_ "embed"
	"time"

	"github.com/prometheus/common/model"
)

//go:embed rules.yaml
var rules []byte

// samples are how many scrapes a rate is over: two for a rate at all, a third for one that
// failed, and one more so that the window has them wherever it begins between two scrapes.
const samples = 4

// Rules is the configuration for a scrape interval, in the form that rule.Compile takes.
func Rules(interval time.Duration) []byte {
	window := model.Duration(samples * interval).String()
	return bytes.ReplaceAll(rules, []byte("[WINDOW]"), []byte("["+window+"]"))
}
