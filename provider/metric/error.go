package metric

import (
	"errors"
	"fmt"
)

// Reason says why there is no value. Reasons are label values of our own
// metrics and decide the HTTP status, so there are few of them.
type Reason string

const (
	// Undefined: no rule gives this metric for this kind of object.
	Undefined Reason = "undefined"
	// NoObject: the described object does not exist, or is a pod that does not run.
	NoObject Reason = "no-object"
	// Absent: the source answered and holds no sample. Absence is not zero.
	Absent Reason = "absent"
	// NotFinite: a sample is NaN or ±Inf.
	NotFinite Reason = "not-finite"
	// Overflow: a sample has no milli-quantity that fits into 64 bits, which is
	// what the HPA controller computes with.
	Overflow Reason = "overflow"
	// Duplicate: several samples for one object.
	Duplicate Reason = "duplicate"
	// Unlabelled: samples that do not say which object they describe.
	Unlabelled Reason = "unlabelled"
	// Stale: the last value is older than its bound.
	Stale Reason = "stale"
	// Pending: the first evaluation has not finished in time.
	Pending Reason = "pending"
	// SourceFailed: the source did not answer, or with an error.
	SourceFailed Reason = "source-failed"
	// RuleFailed: the rule does not render to a query for this request, or to one whose
	// answers are no numbers.
	RuleFailed Reason = "rule-failed"
	// LimitReached: demand is bounded and the bound is reached.
	LimitReached Reason = "limit-reached"
	// Forbidden: our RBAC does not let us see the described objects.
	Forbidden Reason = "forbidden"
	// ObjectsUnknown: the described objects could not be listed for another reason.
	ObjectsUnknown Reason = "objects-unknown"
	// Invalid: the request itself cannot be answered.
	Invalid Reason = "invalid"
)

// Error is the typed absence of a value. Message is for the person who reads
// the condition of an HPA: it says what is wrong and what to change.
type Error struct {
	Reason  Reason
	Message string
	// Quotes says that Message has something of what the source sent, which can be about any
	// series that the query touched.
	Quotes bool
	Err    error // cause, may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error without a cause.
func Errorf(r Reason, format string, args ...any) *Error {
	return &Error{Reason: r, Message: fmt.Sprintf(format, args...)}
}

// Because makes an Error with a cause, whose text follows the message.
func Because(r Reason, cause error, format string, args ...any) *Error {
	return &Error{Reason: r, Message: fmt.Sprintf(format, args...), Err: cause}
}

// ReasonOf returns the reason of the first Error in err's chain, or "" where
// there is none.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}
