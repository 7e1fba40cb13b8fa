package metric

import (
	"math"

	"k8s.io/apimachinery/pkg/api/resource"
)

// maxMilli is the largest value, in units, whose milli-quantity still fits into
// an int64. The HPA controller computes with Quantity.MilliValue
// (pkg/controller/podautoscaler/metrics/client.go), so a larger number would
// reach it as another number. 2^63 itself is representable as a float64 and is
// one too many, hence the strict comparison in Quantity.
const maxMilli = float64(math.MaxInt64)

// Quantity turns a sample value into the milli-quantity that the metrics APIs
// carry, rounded to the nearest thousandth.
//
// It returns an *Error with reason NotFinite or Overflow for what is no such
// number; it never returns a number that stands for something else.
func Quantity(v float64) (resource.Quantity, error) {
	switch {
	case math.IsNaN(v):
		return resource.Quantity{}, Errorf(NotFinite, "the value is NaN (often 0/0, a ratio without traffic): guard the query, for example with `and on() (denominator > 0)`")
	case math.IsInf(v, 0):
		return resource.Quantity{}, Errorf(NotFinite, "the value is %v (often a division by zero): guard the query's denominator", v)
	}
	milli := math.Round(v * 1000)
	if math.IsInf(milli, 0) || milli >= maxMilli || milli <= -maxMilli {
		return resource.Quantity{}, Errorf(Overflow, "the value %g is beyond ±9.2e15, more than the HPA controller can compute with: scale it down in the query", v)
	}
	return *resource.NewMilliQuantity(int64(milli), resource.DecimalSI), nil
}

// Usage is Quantity for what is used of a resource, of which nothing is less than 0.
func Usage(v float64) (resource.Quantity, error) {
	if v < 0 && !math.IsInf(v, 0) {
		return resource.Quantity{}, Errorf(RuleFailed, "the value is %g, and no usage is less than 0: correct the query", v)
	}
	return Quantity(v)
}
