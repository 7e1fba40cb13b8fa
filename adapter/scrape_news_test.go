package adapter

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/klog/v2/ktesting"

	"github.com/loadline/loadline/provider/source/embedded/scrape"
)

// Each step is how the newest scrapes of targets went: by the target + or -, and ? before the
// first. A step with a = before it is looked at twice between two scrapes.
func TestScrapeNews(t *testing.T) {
	for name, tc := range map[string]struct{ steps, want []string }{
		"all is well":          {[]string{"a?", "a+", "a+"}, []string{"", "", ""}},
		"one failure":          {[]string{"a+", "a-", "a+", "a-", "a+"}, []string{"", "", "", "", ""}},
		"two":                  {[]string{"a+", "a-", "a-", "a-", "a+", "a+"}, []string{"", "", "a fails", "", "a recovers", ""}},
		"from the first":       {[]string{"a?", "a-", "a-"}, []string{"", "", "a fails"}},
		"one, looked at twice": {[]string{"a-", "=a-", "=a-", "a+"}, []string{"", "", "", ""}},
		"two, looked at twice": {[]string{"a-", "=a-", "a-", "=a-", "a+", "=a+"}, []string{"", "", "a fails", "", "a recovers", ""}},
		"again":                {[]string{"a-", "a-", "a+", "a-", "a-"}, []string{"", "a fails", "a recovers", "", "a fails"}},
		"it is gone meanwhile": {[]string{"a-", "a-", "", "a+", "a-", "a-"}, []string{"", "a fails", "", "", "", "a fails"}},
		"two targets":          {[]string{"a-b+", "a-b-", "a+b-", "a+b-"}, []string{"", "a fails", "a recovers, b fails", ""}},
		"many":                 {[]string{"a-b-c-d-e-f-g-h-i-j-k-l-", "a-b-c-d-e-f-g-h-i-j-k-l-", "a-b-c-d-e-f-g-h-i-j-k-l-"}, []string{"", "a fails, b fails, c fails, d fails, e fails, f fails, g fails, h fails, i fails, j fails, and 2", ""}},
		"what was not told of": {[]string{"a-b-c-d-e-f-g-h-i-j-k-l-", "a-b-c-d-e-f-g-h-i-j-k-l-", "a+k+l+"}, []string{"", "a fails, b fails, c fails, d fails, e fails, f fails, g fails, h fails, i fails, j fails, and 2", "a recovers"}},
	} {
		t.Run(name, func(t *testing.T) {
			var n scrapeNews
			var got []string
			at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
			for _, step := range tc.steps {
				step, same := strings.CutPrefix(step, "=")
				if !same {
					at = at.Add(5 * time.Second)
				}
				var now []scrape.Status
				for i := 0; i < len(step); i += 2 {
					one := scrape.Status{Target: step[i : i+1], Up: step[i+1] == '+', At: at}
					if step[i+1] == '?' {
						one.At = time.Time{}
					}
					now = append(now, one)
				}
				turns, leftOut := n.next(now)
				var said []string
				for _, one := range turns {
					said = append(said, one.Target+map[bool]string{true: " fails", false: " recovers"}[one.Failing])
				}
				if leftOut > 0 {
					said = append(said, fmt.Sprintf("and %d", leftOut))
				}
				got = append(got, strings.Join(said, ", "))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What a pod says is a short line between quotes, and nothing beside them.
func TestTheLineOfAScrape(t *testing.T) {
	logger := ktesting.NewLogger(t, ktesting.NewConfig(ktesting.BufferLogs(true)))
	status := scrape.Status{Target: "shop/a http://10.0.0.1:9090/m\" pod=\"b", Err: errors.New("status 500 \x1b[2J\nI0101 forged \"" + strings.Repeat("x", 1000))}
	turn{status, true}.log(logger)
	turn{status, false}.log(logger)
	lines := strings.Split(strings.TrimSpace(logger.GetSink().(ktesting.Underlier).GetBuffer().String()), "\n")
	want := []string{
		`INFO Scrapes of a pod fail namespace="shop" pod="a" address="10.0.0.1:9090" reason="status 500 [2J I0101 forged \"` + strings.Repeat("x", 300-len("status 500 \x1b[2J\nI0101 forged \"")) + `…"`,
		`INFO Scrapes of a pod succeed again namespace="shop" pod="a" address="10.0.0.1:9090"`,
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
