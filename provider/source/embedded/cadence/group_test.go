package cadence

import "testing"

func TestPhase(t *testing.T) {
	for name, tc := range map[string]struct {
		scrapes string // x: the part has some
		present int
		want    int
	}{
		"one pod":                            {"...x......", 3, 3},
		"one pod, of which nothing is known": {"...x......", 7, 3},
		"its scrapes are at an edge":         {"...xx.....", 3, 4},
		"two pods, far apart":                {"x....x....", 0, 0},
		"the same, and the other is present": {"x....x....", 5, 5},
		"a pause that is a little longer":    {"x..x..x...", 0, 0},
		"one that is clearly longer":         {"x..x......", 0, 3},
		"the longest is over the end":        {"..x.x.....", 2, 4},
		"many pods":                          {"xxxxxxxxxx", 6, 6},
		"many, one part is free":             {"xxxxxxx.xx", 0, 0},
		"many, two parts are free":           {"xxxxxx..xx", 0, 5},
		"the present one has none any more":  {"xxxxxxx.xx", 7, 7},
		"its scrapes are a bit earlier now":  {"..x.......", 3, 3},
		"much earlier":                       {"x.........", 3, 0},
		"nothing":                            {"..........", 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			var scrapes [parts]bool
			for i, c := range tc.scrapes {
				scrapes[i] = c == 'x'
			}
			if got := phase(scrapes, tc.present); got != tc.want {
				t.Errorf("after part %d, want %d", got, tc.want)
			}
		})
	}
}
