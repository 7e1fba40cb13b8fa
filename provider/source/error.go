package source

import (
	"errors"
	"strconv"
)

// Kind says how a call to a source ended. The set is closed, so Kind.String() is
// fit to be a metric label.
type Kind int

const (
	// OK is the kind of a nil error.
	OK Kind = iota
	// Unknown is the kind of an error that no source made.
	Unknown
	// Canceled: the caller gave up; this says nothing about the source.
	Canceled
	// Timeout: no answer within the deadline, by our clock or by the source's.
	Timeout
	// Unavailable: the source did not answer (network, TLS, credentials that could
	// not be read, 5xx, 429).
	Unavailable
	// Rejected: the source answered that it will not do this (other 4xx, a query
	// that fails to evaluate, a redirect). Repeating the same call will not help.
	Rejected
	// Malformed: what came back is not an answer (HTML, truncated JSON).
	Malformed
	// Incomplete: the answer lacks something, because of a limit or of a part of the source
	// that did not answer.
	Incomplete
	// Oversized: the answer has more bytes or values than our limits allow.
	Oversized
	// Unusable: the query was answered as it was asked, and not with a number for each
	// series (native histograms, a range, a text). The query is at fault.
	Unusable
)

// String returns the kind as one lower-case word.
func (k Kind) String() string {
	switch k {
	case OK:
		return "ok"
	case Canceled:
		return "canceled"
	case Timeout:
		return "timeout"
	case Unavailable:
		return "unavailable"
	case Rejected:
		return "rejected"
	case Malformed:
		return "malformed"
	case Incomplete:
		return "incomplete"
	case Oversized:
		return "oversized"
	case Unusable:
		return "unusable"
	default:
		return "unknown"
	}
}

// Error is a failed call to a source. Get at it with errors.As, or use KindOf.
type Error struct {
	Kind Kind
	// Source is the source's name; empty for the one that has none.
	Source string
	// Text says what happened and, where there is one, the remedy. It never holds
	// credentials and never more than a short excerpt of what the source sent.
	Text string
	// Quotes says that Text has something of what the source sent, which can be about any
	// series that the call touched.
	Quotes bool
	// Err is the cause, if any; its text is not repeated by Error.
	Err error
}

func (e *Error) Error() string {
	name := ""
	if e.Source != "" {
		name = strconv.Quote(e.Source) + " "
	}
	return "source " + name + e.Kind.String() + ": " + e.Text
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of err: OK for nil, Unknown for an error that holds no
// *Error.
func KindOf(err error) Kind {
	if err == nil {
		return OK
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Unknown
}

// Unanswered says whether err means that the source gave no answer at all, not
// even a refusal.
func Unanswered(err error) bool {
	switch KindOf(err) {
	case Timeout, Unavailable, Malformed:
		return true
	}
	return false
}
