package eval

import (
	"context"
	"errors"
	"time"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/source"
)

const (
	// maxDivisions bounds the queries by which is found at once who is at fault. Which of a
	// thousand reads fails takes twenty.
	maxDivisions = 64
	// slower is by how many a query is divided that is not answered in time: of a thousand
	// reads, two more evaluations find those that are slow by themselves.
	slower = 32
)

// refused says whether an error is an answer about the query, which is another for fewer
// reads.
func refused(err error) bool {
	switch source.KindOf(err) {
	case source.Rejected, source.Incomplete, source.Oversized, source.Unusable:
		return true
	}
	return false
}

// failed sees to a query that gave nothing: one read must not cost others their values. others
// says whether the source answered other queries meanwhile. It returns what that tells of the
// source, which is nil where it is found to answer.
func (e *Evaluator) failed(ctx context.Context, q plan.Query, began time.Time, err error, others bool) error {
	switch {
	case !q.Shared():
		if refused(err) || e.sharing.of(q.For[0]) == 1 && e.Outage() == nil {
			e.alone(&q) // still
		}
		e.fail(ctx, q, began, err)
		return err
	case refused(err):
		e.divide(ctx, q, err)
		return err
	}
	e.fail(ctx, q, began, err)
	told, slow := err, source.KindOf(err) == source.Timeout
	if !others || !slow {
		// Nobody knows whether the source is away or the query too much for it. What it answered
		// while this one waited tells nothing of one that stopped answering meanwhile.
		if !e.answersOne(ctx, &q) {
			return err
		}
		if e.Outage() != nil { // it has just come back
			return nil
		}
		told = nil
	}
	if slow {
		e.sharing.narrow(q.For, max(1, len(q.Parts)/slower), e.opts.Now().Add(sharingMemory))
	} else { // quick to try
		e.divide(ctx, q, err)
	}
	return told
}

// answersOne says whether the source answers when it is asked for one of a query's reads by
// itself.
func (e *Evaluator) answersOne(ctx context.Context, q *plan.Query) bool {
	// Half of the time, so that it is soon known that the source is away.
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout/2)
	defer cancel()
	one := q.One(int(e.probes.Add(1)) % len(q.Parts)) // not the same one each time: it may be at fault
	_, err := e.answered(ctx, one)
	return err == nil || refused(err)
}

// alone notes that a read is to be asked by itself.
func (e *Evaluator) alone(q *plan.Query) {
	e.sharing.set(q.For, 1, e.opts.Now().Add(sharingMemory))
}

// divide asks the halves of a query that failed, and theirs, until those stand alone whose
// own query fails.
func (e *Evaluator) divide(ctx context.Context, q plan.Query, cause error) {
	d := division{Evaluator: e, left: maxDivisions}
	d.halves(ctx, q, cause)
}

// division is one search.
type division struct {
	*Evaluator
	left  int // queries
	found int // reads at fault
}

func (d *division) halves(ctx context.Context, q plan.Query, cause error) {
	found, left := d.found, d.left
	first, second := q.Split()
	for _, half := range []plan.Query{first, second} {
		if d.left == 0 {
			d.notAsked(ctx, half)
			continue
		}
		d.left--
		d.half(ctx, half)
	}
	if d.found == found && left >= 2 && ctx.Err() == nil {
		// Nobody is at fault: so many are too many, and the halves are not, or theirs.
		d.sharing.narrow(q.For, (len(q.Parts)+1)/2, d.opts.Now().Add(sharingMemory))
	}
}

func (d *division) half(ctx context.Context, half plan.Query) {
	began, err := d.answered(ctx, half)
	switch {
	case err == nil, source.KindOf(err) == source.Canceled:
	case source.KindOf(err) == source.Timeout: // not the time to search
		d.fail(ctx, half, began, err)
		d.left = 0
	case half.Shared():
		d.halves(ctx, half, err)
	default:
		d.found++
		d.alone(&half)
		d.fail(ctx, half, began, err)
	}
}

// notAsked notes that a query was not sent, since too many reads are at fault to find them
// all at once. They are asked by themselves the next time, as are those of another's
// failure: nothing is learnt about their values by that.
func (d *division) notAsked(ctx context.Context, half plan.Query) {
	now := d.opts.Now()
	d.sharing.set(half.For, 1, now.Add(sharingDoubt))
	for _, id := range half.For {
		d.lacks(ctx, id, now, metric.Errorf(metric.SourceFailed, "%s: asked together with others, whose queries fail; by itself in the next evaluation", half.Rule))
	}
}

// ofMany is why a query failed that several reads share, as each of them may know it.
func ofMany(err error) error {
	return unquoted(err, "no answer to a query of several reads, of which this is one")
}

// ofOutage is why a source counts as away, as those may know it whose queries are not sent.
func ofOutage(err error) error { return unquoted(err, "no answer to other queries") }

// unquoted is an error with another text where it has what the source sent: that can be about
// others, which may be another tenant's.
func unquoted(err error, text string) error {
	known, ok := errors.AsType[*source.Error](err)
	if !ok || !known.Quotes {
		return err
	}
	return &source.Error{Kind: known.Kind, Source: known.Source, Text: text + "; with -v=1 the log has what the source says"}
}
