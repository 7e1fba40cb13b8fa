//go:build e2e

package e2e

import (
	"fmt"
	"math"
	"time"
)

// pair is what two adapters said at one moment: values by pod.
type pair struct {
	at   time.Duration
	a, b map[string]int64
}

// differences compares each answer of one adapter with all that the other one
// said up to apart before and after. It has to lie between the lowest and the
// highest of those, give or take tolerance. Moments without that much heard on
// both sides are left out.
func differences(heard []pair, apart time.Duration, tolerance int64) []string {
	var found []string
	for _, x := range heard {
		if x.at < heard[0].at+apart || x.at > heard[len(heard)-1].at-apart {
			continue
		}
		for pod := range x.a {
			lowA, highA := int64(math.MaxInt64), int64(math.MinInt64)
			lowB, highB := lowA, highA
			for _, y := range heard {
				if (y.at - x.at).Abs() <= apart {
					lowA, highA = min(lowA, y.a[pod]), max(highA, y.a[pod])
					lowB, highB = min(lowB, y.b[pod]), max(highB, y.b[pod])
				}
			}
			if v := x.b[pod]; v < lowA-tolerance || v > highA+tolerance {
				found = append(found, fmt.Sprintf("at %s the second says %d for %s, the first %d to %d around then", x.at, v, pod, lowA, highA))
			}
			if v := x.a[pod]; v < lowB-tolerance || v > highB+tolerance {
				found = append(found, fmt.Sprintf("at %s the first says %d for %s, the second %d to %d around then", x.at, v, pod, lowB, highB))
			}
		}
	}
	return found
}

// extremes are the lowest and the highest value that anybody said.
func extremes(heard []pair) (low, high int64) {
	low = math.MaxInt64
	for _, x := range heard {
		for _, values := range []map[string]int64{x.a, x.b} {
			for _, v := range values {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	return low, high
}
