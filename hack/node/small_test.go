package node

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestBackoff(t *testing.T) {
	var b backoff
	var got []time.Duration
	for range 8 {
		got = append(got, b.next(time.Second))
	}
	s := time.Second
	if diff := cmp.Diff([]time.Duration{0, s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s, 10 * s}, got); diff != "" {
		t.Error(diff)
	}
	if d := b.next(20 * s); d != 0 {
		t.Errorf("after a good run the delay is %s", d)
	}
	if d := b.next(19 * s); d != s {
		t.Errorf("then it is %s", d)
	}
}

func TestIPAM(t *testing.T) {
	a := newIPAM(netip.MustParsePrefix("10.0.0.0/29"), 8+5)
	take := func() string {
		t.Helper()
		addr, err := a.allocate()
		if err != nil {
			t.Fatal(err)
		}
		return addr.String()
	}
	first := take()
	a.release(netip.MustParseAddr(first))
	got := []string{first, take(), take(), take(), take(), take()}
	want := []string{"10.0.0.5", "10.0.0.6", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := a.allocate(); err == nil || err.Error() != "no free pod IP left in 10.0.0.0/29: 5 pods hold one" {
		t.Errorf("full range: %v", err)
	}
	if node := a.nodeAddress().String(); node != "10.0.0.1" {
		t.Errorf("node address %s", node)
	}
	wide := newIPAM(netip.MustParsePrefix("10.0.0.0/16"), 254)
	x, _ := wide.allocate()
	y, _ := wide.allocate()
	if x.String() != "10.0.0.254" || y.String() != "10.0.1.1" {
		t.Errorf("got %s, %s: .255 and .0 look like networks", x, y)
	}
}

func TestTally(t *testing.T) {
	for name, test := range map[string]struct {
		results []bool
		want    []verdict
	}{
		"success counts anew": {[]bool{true, false, true, true}, []verdict{undecided, undecided, undecided, healthy}},
		"failures in a row":   {[]bool{false, false, false, false}, []verdict{undecided, undecided, unhealthy, unhealthy}},
		"failures broken":     {[]bool{false, false, true, false, false}, []verdict{undecided, undecided, undecided, undecided, undecided}},
	} {
		t.Run(name, func(t *testing.T) {
			count := tally{schedule: scheduleOf(&corev1.Probe{SuccessThreshold: 2})}
			var got []verdict
			for _, ok := range test.results {
				got = append(got, count.observe(ok))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestScheduleOf(t *testing.T) {
	want := schedule{Period: 10 * time.Second, Timeout: time.Second, Success: 1, Failure: 3}
	if diff := cmp.Diff(want, scheduleOf(&corev1.Probe{})); diff != "" {
		t.Error(diff)
	}
}

func TestRenewal(t *testing.T) {
	now := time.Unix(0, 0)
	for life, want := range map[time.Duration]time.Duration{10 * time.Minute: 8 * time.Minute, 365 * 24 * time.Hour: 24 * time.Hour} {
		if got := renewal(now, now.Add(life)).Sub(now); got != want {
			t.Errorf("a token of %s is renewed after %s, want %s", life, got, want)
		}
	}
}

func TestOptionsSayEverythingThatIsWrong(t *testing.T) {
	_, err := New(Options{Name: "No_Name", Dir: "rel", PodCIDR: netip.MustParsePrefix("10.0.0.0/30"), Images: map[string]Image{"a": {Path: "b"}}})
	want := `Options.RESTConfig: required
Options.Name "No_Name": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
Options.Dir "rel", LogDir "rel/log": absolute paths are required
Options.PodCIDR 10.0.0.0/30: an IPv4 range of at least 16 addresses is required
Options.Images["a"].Path "b": an absolute path is required`
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}
