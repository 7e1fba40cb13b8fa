package demo

import (
	"cmp"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// at is an observation with the scalers' settled numbers of replicas.
func at(seconds int, p Phase, scalers ...Scaler) Observation {
	return Observation{At: time.Duration(seconds) * time.Second, Phase: p, Scalers: scalers}
}

func scaler(name string, desired, replicas, ready int32) Scaler {
	return Scaler{Name: name, Unit: "a pod", Known: true, Value: 75, Target: 20, Min: 2, Max: 6, Desired: desired, Replicas: replicas, Ready: ready, Policy: Policy{Made: true, Min: 2}}
}

// raised gives a scaler a minimum and, unless its owner is empty, the floor that it is of.
func raised(s Scaler, min int32, owner string) Scaler {
	if s.Min = min; owner != "" {
		s.Policy.Floors = []Floor{{Owner: owner, Value: min, Until: time.Date(2026, 11, 23, 17, 43, 0, 0, time.UTC)}}
	}
	return s
}

// held is a scaler with a minimum and just so many replicas.
func held(name string, min int32, owner string) Scaler {
	return raised(scaler(name, min, min, min), min, owner)
}

func scheduled(o Observation, begin, end int) Observation {
	o.Schedule = Span{time.Duration(begin) * time.Second, time.Duration(end) * time.Second}
	return o
}

func TestNext(t *testing.T) {
	low, high := scaler("a", 2, 2, 2), scaler("a", 6, 6, 6)
	unknown := low
	unknown.Known = false
	tests := map[string]struct {
		history []Observation
		want    Phase
	}{
		"nothing seen":                    {nil, Warm},
		"no value":                        {[]Observation{at(0, Warm, unknown)}, Warm},
		"no scaler":                       {[]Observation{at(0, Warm)}, Warm},
		"one of two has no value":         {[]Observation{at(0, Warm, low, unknown)}, Warm},
		"warm":                            {[]Observation{at(0, Warm, low, low)}, Up},
		"warm too long":                   {[]Observation{at(3, Warm, unknown), at(43, Warm, unknown)}, Up},
		"not all ready":                   {[]Observation{at(0, Up, high, scaler("b", 6, 6, 5))}, Up},
		"an old replica more":             {[]Observation{at(0, Up, scaler("b", 6, 7, 6))}, Up},
		"another number wanted":           {[]Observation{at(0, Up, scaler("b", 5, 6, 6))}, Up},
		"up":                              {[]Observation{at(0, Up, high)}, Hold},
		"up for too long":                 {[]Observation{at(0, Warm, low), at(10, Up, low), at(69, Up, low), at(70, Up, low)}, Hold},
		"not yet up for too long":         {[]Observation{at(0, Warm, low), at(10, Up, low), at(69, Up, low)}, Up},
		"held, whatever the replicas are": {[]Observation{at(0, Hold, high), at(18, Hold, low)}, Down},
		"held, not long enough":           {[]Observation{at(0, Hold, high), at(17, Hold, high)}, Hold},
		"coming down":                     {[]Observation{at(0, Down, scaler("b", 3, 3, 3))}, Down},
		"down":                            {[]Observation{at(0, Down, low)}, Lost},
		"down for too long":               {[]Observation{at(0, Down, high), at(95, Down, high)}, Lost},
		"the metric is lost":              {[]Observation{at(0, Lost, held(worker, 2, ""))}, Lost},
		"another's floor":                 {[]Observation{at(0, Lost, held(web, 3, "fallback"))}, Lost},
		"a floor without pods":            {[]Observation{at(0, Lost, raised(scaler(worker, 3, 3, 2), 3, "fallback"))}, Lost},
		"pods without a floor":            {[]Observation{at(0, Lost, raised(scaler(worker, 3, 3, 3), 2, "fallback"))}, Lost},
		"another floor":                   {[]Observation{at(0, Lost, held(worker, 3, "schedule/rush"))}, Lost},
		"fallback":                        {[]Observation{at(0, Lost, held(worker, 3, "fallback"))}, Back},
		"no fallback for too long":        {[]Observation{at(0, Lost, held(worker, 2, "")), at(93, Lost, held(worker, 2, ""))}, Back},
		"a floor is left":                 {[]Observation{at(200, Back, held(worker, 3, "fallback"), held(web, 2, ""))}, Back},
		"a floor that no pod follows":     {[]Observation{at(200, Back, raised(scaler(worker, 2, 2, 2), 3, "fallback"))}, Back},
		"a replica is left":               {[]Observation{at(200, Back, scaler(worker, 2, 3, 3))}, Back},
		"the schedule is still ahead":     {[]Observation{scheduled(at(100, Back, low), 60, 120)}, Back},
		"no floor is left":                {[]Observation{scheduled(at(120, Back, low), 60, 120)}, Done},
		"floors for too long":             {[]Observation{at(0, Back, held(worker, 3, "fallback")), at(176, Back, held(worker, 3, "fallback"))}, Done},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := DefaultScript(0, 20*time.Second).Next(test.history); got != test.want {
				t.Errorf("got phase %d, want %d", got, test.want)
			}
		})
	}
}

// TestLimits: the demo ends by itself, and what the HPAs may take fits in. The
// least is, for up, one look that was just missed and another; for down, the lag
// of the values (15 s), the window, a look that was just missed, the 15 s between
// two steps in looks, and 10 s for the pods to end. For the floors it is 15 s for
// Prometheus to lose or find a target, a look that was just missed, what fallback
// waits for, which loadline-policy may notice a tenth late, and 10 s for pods; back,
// a step and its look besides, or else what is left of the schedule.
func TestLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		sync, downscale, longest time.Duration
	}{
		"as it comes":   {0, 20 * time.Second, 480 * time.Second},
		"long window":   {0, 5 * time.Minute, 1020 * time.Second},
		"the HPAs' own": {0, 0, 1020 * time.Second},
		"rare looks":    {time.Minute, 20 * time.Second, 900 * time.Second},
		"frequent":      {5 * time.Second, time.Second, 480 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := DefaultScript(tc.sync, tc.downscale)
			if longest := s.WarmLimit + s.UpLimit + s.Hold + s.DownLimit + s.LostLimit + s.BackLimit; longest > tc.longest {
				t.Errorf("the phases may take %s", longest)
			}
			sync, downscale := cmp.Or(tc.sync, 15*time.Second), cmp.Or(tc.downscale, 5*time.Minute)
			if s.UpLimit < 2*sync {
				t.Errorf("up is cut off after %s", s.UpLimit)
			}
			between := (15*time.Second + sync - 1) / sync * sync
			if least := 15*time.Second + downscale + sync + between + 10*time.Second; s.DownLimit < least {
				t.Errorf("down is cut off after %s, may need %s", s.DownLimit, least)
			}
			if least := 15*time.Second + sync + 33*time.Second + 10*time.Second; s.LostLimit < least {
				t.Errorf("lost is cut off after %s, may need %s", s.LostLimit, least)
			}
			if least := 15*time.Second + sync + max(30*time.Second, downscale)*11/10 + 17*time.Second + sync + 10*time.Second; s.BackLimit < least {
				t.Errorf("back is cut off after %s, the metric may need %s", s.BackLimit, least)
			}
			if least := 63*time.Second + 66*time.Second + 17*time.Second + sync + 10*time.Second; s.BackLimit < least {
				t.Errorf("back is cut off after %s, the schedule may need %s", s.BackLimit, least)
			}
		})
	}
}

func TestRates(t *testing.T) {
	s := Script{Low: Rates{1, 2}, High: Rates{3, 4}}
	want := map[Phase]Rates{Warm: {1, 2}, Up: {3, 4}, Hold: {3, 4}, Down: {1, 2}, Lost: {1, 2}, Back: {1, 2}, Done: {1, 2}}
	got := map[Phase]Rates{}
	for p := range want {
		got[p] = s.Rates(p)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRate(t *testing.T) {
	history := func(ok ...uint64) []Observation {
		var h []Observation
		for i, n := range ok {
			h = append(h, Observation{At: time.Duration(i) * time.Second, Loads: []Load{{OK: n}}})
		}
		return h
	}
	tests := map[string]struct {
		history []Observation
		want    float64
		ok      bool
	}{
		"one moment":         {history(5), 0, false},
		"less than a window": {history(5, 15), 0, false},
		"a window":           {history(5, 15, 35), 15, true},
		"only the newest":    {history(0, 0, 0, 10, 20), 10, true},
		"nothing answered":   {history(7, 7, 7), 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := rate(test.history, len(test.history)-1, 0)
			if got != test.want || ok != test.ok {
				t.Errorf("got %v, %t, want %v, %t", got, ok, test.want, test.ok)
			}
		})
	}
}
