package schedule

import (
	"math/bits"
	"time"
)

// last returns the latest wall time of c from low to high, both included.
func (c cron) last(low, high wall) (wall, bool) {
	for d := high.startOfDay(); d+day > low; d -= day {
		if !c.on(d) {
			continue
		}
		top := min(high, d+day-1) - d
		for h := int(top / hour); h >= 0; h-- {
			m := 59
			if h == int(top/hour) {
				m = int(top % hour / 60)
			}
			if m = highest(c.minute, m); c.hour&(1<<h) != 0 && m >= 0 {
				w := at(d, h, m)
				return w, w >= low
			}
		}
	}
	return 0, false
}

// next returns the earliest wall time of c from low to high, both included.
func (c cron) next(low, high wall) (wall, bool) {
	for d := low.startOfDay(); d <= high; d += day {
		if !c.on(d) {
			continue
		}
		bottom := max(low, d) - d
		bottom = (bottom + 59) / 60 // whole minutes
		for h := int(bottom / 60); h < 24; h++ {
			m := 0
			if h == int(bottom/60) {
				m = int(bottom % 60)
			}
			if m = lowest(c.minute, m); c.hour&(1<<h) != 0 && m < 60 {
				w := at(d, h, m)
				return w, w <= high
			}
		}
	}
	return 0, false
}

// on says whether c has starts on the day that begins at d.
func (c cron) on(d wall) bool {
	date := time.Unix(int64(d), 0).UTC()
	if c.month&(1<<date.Month()) == 0 {
		return false
	}
	inMonth, inWeek := c.day&(1<<date.Day()) != 0, c.weekday&(1<<date.Weekday()) != 0
	if c.anyDay || c.anyWeekday {
		return inMonth && inWeek // the one that is * has every day
	}
	return inMonth || inWeek
}

func at(d wall, h, m int) wall { return d + wall(h)*hour + wall(m)*60 }

// highest is the highest number of set up to n, -1 if there is none.
func highest(set uint64, n int) int { return bits.Len64(set&(1<<(n+1)-1)) - 1 }

// lowest is the lowest number of set from n on, 64 if there is none.
func lowest(set uint64, n int) int { return bits.TrailingZeros64(set &^ (1<<n - 1)) }
