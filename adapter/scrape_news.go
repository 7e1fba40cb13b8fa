package adapter

import (
	"context"
	"strings"
	"time"
	"unicode"

	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
)

const (
	// failuresInARow are worth a line: one is a pod that has just begun, or is about to end.
	failuresInARow = 2
	// linesAtOnce are written at most each time, for a NetworkPolicy can keep us from all pods.
	linesAtOnce = 10
)

// scrapeNews finds what is new in how scrapes go. The zero value knows nothing.
type scrapeNews struct{ runs map[string]run }

// run is the failures in a row of a target; there is none of one that is scraped well.
type run struct {
	newest time.Time // scrape
	length int
	told   bool
}

// turn is a target whose scrapes began to fail, or do not fail any more.
type turn struct {
	scrape.Status
	Failing bool
}

// next are the turns since the last call that are to be told, and how many there are besides.
// Of a target of which it was not told that it fails it is not told that it recovers.
func (n *scrapeNews) next(now []scrape.Status) (turns []turn, leftOut int) {
	before := n.runs
	n.runs = map[string]run{}
	for _, s := range now {
		r := before[s.Target]
		again := s.At.Equal(r.newest) // which is also so before the first
		switch {
		case !again && s.Up && r.told && len(turns) < linesAtOnce:
			turns = append(turns, turn{s, false})
			continue
		case !again && s.Up && r.told:
			leftOut++
			continue
		case !again && s.Up:
			continue
		case !again:
			r.newest = s.At
			r.length++
		}
		switch {
		case r.length != failuresInARow || again:
		case len(turns) < linesAtOnce:
			r.told = true
			turns = append(turns, turn{s, true})
		default:
			leftOut++
		}
		if r.length > 0 {
			n.runs[s.Target] = r
		}
	}
	return turns, leftOut
}

// tellOfScrapes logs the news of scrapes until ctx ends.
func tellOfScrapes(ctx context.Context, every time.Duration, status func() []scrape.Status) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var news scrapeNews
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		turns, leftOut := news.next(status())
		for _, t := range turns {
			t.log(klog.FromContext(ctx))
		}
		if leftOut > 0 {
			klog.FromContext(ctx).Info("Scrapes of more targets began to fail, or recovered; loadline_scrape_targets counts them", "targets", leftOut)
		}
	}
}

func (t turn) log(to klog.Logger) {
	namespace, pod := target.PodOf(t.Target)
	of := []any{"namespace", namespace, "pod", pod, "address", target.AddressOf(t.Target)}
	if t.Failing {
		to.Info("Scrapes of a pod fail", append(of, "reason", reasonOf(t.Err))...)
	} else {
		to.Info("Scrapes of a pod succeed again", of...)
	}
}

// mostOfReason bounds a reason, in bytes.
const mostOfReason = 300

// reasonOf is one short line, which the log quotes: what a pod answers may be in it.
func reasonOf(err error) string {
	if err == nil {
		return "unknown"
	}
	text, cut := err.Error(), ""
	if len(text) > mostOfReason {
		text, cut = text[:mostOfReason], "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text) + cut
}
