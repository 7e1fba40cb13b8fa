package arithmetic

import (
	"fmt"
	"math"
)

// Range is what a number of replicas is certain to be in, ends included. Without anything
// unknown both ends are the number.
type Range struct{ Least, Most int32 }

// exactly is the range of a known number.
func exactly(n int32) Range { return Range{n, n} }

// anything is the range of an unknown number.
func anything() Range { return Range{math.MinInt32, math.MaxInt32} }

// Exact says whether the number is known.
func (r Range) Exact() bool { return r.Least == r.Most }

// Has says whether n may be the number.
func (r Range) Has(n int32) bool { return r.Least <= n && n <= r.Most }

// each is the range of f of the number, where f never falls while the number rises.
func (r Range) each(f func(int32) int32) Range { return Range{f(r.Least), f(r.Most)} }

// with is the range of f of two numbers, where f never falls while one of them rises.
func (r Range) with(other Range, f func(a, b int32) int32) Range {
	return Range{f(r.Least, other.Least), f(r.Most, other.Most)}
}

// String writes a range for people: "5", "5 to 8", "5 or more", "5 or fewer", "any number".
func (r Range) String() string {
	switch least, most := r.Least > math.MinInt32, r.Most < math.MaxInt32; {
	case r.Exact():
		return fmt.Sprint(r.Least)
	case least && most:
		return fmt.Sprintf("%d to %d", r.Least, r.Most)
	case least:
		return fmt.Sprintf("%d or more", r.Least)
	case most:
		return fmt.Sprintf("%d or fewer", r.Most)
	}
	return "any number"
}
