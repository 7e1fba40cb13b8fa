package bench

import "testing"

func TestParseStat(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want cpuTime
		bad  bool
	}{
		"as the kernel has it": {"cpu  10 1 20 60 5 1 1 2 7 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n", cpuTime{Busy: 35, All: 100}, false},
		"nothing":              {"", cpuTime{}, true},
		"one CPU's line":       {"cpu0 1 2 3 4 5 6 7 8 9 10\n", cpuTime{}, true},
		"too short":            {"cpu 1 2 3\n", cpuTime{}, true},
		"no number":            {"cpu 1 2 3 x 5 6 7 8\n", cpuTime{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := parseStat([]byte(c.text)); got != c.want || (err != nil) != c.bad {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("cpu  10 1 20 60 5 1 1 2 7 0\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := parseStat(data); err == nil && (c.Busy < 0 || c.Busy > c.All) {
			t.Errorf("%+v", c)
		}
	})
}
