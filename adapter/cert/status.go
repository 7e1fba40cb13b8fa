package cert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Status is for people: a verbose probe, a log. It never decides readiness: a
// replica without a certificate fails every handshake anyway, and one with a
// certificate serves best by going on.
type Status struct {
	// NotAfter is when the certificate being served expires, zero without one.
	NotAfter time.Time
	// Problems are what could not be done at the last look, each with its
	// remedy; empty when all is well.
	Problems []string
	// Notes are what is deliberately left alone.
	Notes []string
}

// String is one line a fact, the certificate's first.
func (s Status) String() string {
	lines := []string{"no serving certificate yet"}
	if !s.NotAfter.IsZero() {
		lines[0] = fmt.Sprintf("serving certificate valid until %s", s.NotAfter.UTC().Format(time.RFC3339))
	}
	lines = append(lines, s.Problems...)
	return strings.Join(append(lines, s.Notes...), "\n")
}

// Status reports the outcome of the last look at the Secret and the carriers.
func (c *Controller) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	if pair := c.serving.Load(); pair != nil {
		s.NotAfter = pair.Leaf.NotAfter
	}
	s.Problems, s.Notes = slices.Clone(s.Problems), slices.Clone(s.Notes)
	return s
}

// report replaces the status and logs what is new in it, once.
func (c *Controller) report(notes []string, errs ...error) {
	var problems []string
	for _, err := range errs {
		if err != nil {
			problems = append(problems, strings.Split(err.Error(), "\n")...)
		}
	}
	c.mu.Lock()
	before := c.status.Problems
	c.status.Problems, c.status.Notes = problems, notes
	c.mu.Unlock()
	for _, p := range problems {
		if !slices.Contains(before, p) {
			c.opts.Log.Error(errors.New(p), "Serving certificate")
		}
	}
	if len(before) > 0 && len(problems) == 0 {
		c.opts.Log.Info("Serving certificate: all is well again")
	}
}
