package cert

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

// verifies is what kube-apiserver checks: the leaf against a published bundle.
func verifies(t testing.TB, leaf *x509.Certificate, bundle []*x509.Certificate, now time.Time) error {
	t.Helper()
	roots := x509.NewCertPool()
	for _, c := range bundle {
		roots.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, DNSName: names[0]})
	return err
}

// Three years with two replicas that look every twelve hours, one six hours
// after the other: whatever leaf a replica serves, a bundle published by
// either of them at its own last look has to accept it.
func TestRotationNeverRefuses(t *testing.T) {
	const step = 6 * time.Hour
	type replica struct {
		policy Policy
		seen   Decision
	}
	replicas := []*replica{{policy: DefaultPolicy()}, {policy: DefaultPolicy()}}
	replicas[1].policy.Jitter = 0.7

	data := mustIssue(t, start, nil, names, replicas[0].policy)
	for _, r := range replicas {
		r.seen = Decide(start, data, names, r.policy)
	}
	writes := map[Action]int{}
	widest := 0
	for i, now := 0, start; now.Before(start.Add(3 * 365 * day)); i, now = i+1, now.Add(step) {
		r := replicas[i%2]
		d := Decide(now, data, names, r.policy)
		if d.Action != Keep {
			writes[d.Action]++
			data = mustIssue(t, now, data, names, r.policy)
			d = Decide(now, data, names, r.policy)
		}
		r.seen = d
		widest = max(widest, len(d.Trust))
		for _, server := range replicas {
			for _, publisher := range replicas {
				if err := verifies(t, server.seen.Pair.Leaf, publisher.seen.Trust, now); err != nil {
					t.Fatalf("at %v: %v", now, err)
				}
			}
		}
	}
	if writes[Replace] != 0 {
		t.Errorf("replaced all at once %d times", writes[Replace])
	}
	// 3 years: a CA about every 8 months, a leaf about every 20 days.
	if writes[StageCA] != 4 || writes[RenewLeaf] < 50 || writes[RenewLeaf] > 56 {
		t.Errorf("writes: %v", writes)
	}
	if widest != 2 {
		t.Errorf("up to %d CAs trusted at once, want 2", widest)
	}
	if d := Decide(start, data, names, DefaultPolicy()); d.Pair != nil {
		t.Error("the leaf of the third year is accepted in the first")
	}
}

// The old CA leaves the bundle once no leaf of it can be alive.
func TestOldCAIsDropped(t *testing.T) {
	policy := roundPolicy()
	now := start
	data := mustIssue(t, now, nil, names, policy)
	now = now.Add(19 * day)
	data = mustIssue(t, now, with(data, keyCAKey, nil), names, policy)
	trust := func() int { return len(Decide(now, data, names, policy).Trust) }
	if got := trust(); got != 2 {
		t.Fatalf("after staging: %d", got)
	}
	now = now.Add(2 * day)
	data = mustIssue(t, now, data, names, policy)
	if got := trust(); got != 2 {
		t.Fatalf("with a new leaf, old ones possibly alive: %d", got)
	}
	now = now.Add(29 * day)
	data = mustIssue(t, now, data, names, policy)
	if got := trust(); got != 1 {
		t.Errorf("after a leaf's lifetime: %d", got)
	}
}

func FuzzDecide(f *testing.F) {
	policy := roundPolicy()
	good := mustIssue(f, start, nil, names, policy)
	other := mustIssue(f, start, nil, names, policy)
	f.Add([]byte{}, []byte{}, []byte{}, []byte{}, int64(0))
	f.Add(good[keyCACert], good[keyCAKey], good[keyLeafCert], good[keyLeafKey], int64(0))
	f.Add(other[keyCACert], good[keyCAKey], good[keyLeafCert], good[keyLeafKey], int64(time.Hour))
	f.Add(good[keyCACert], good[keyCAKey], other[keyLeafCert], good[keyLeafKey], int64(20*day))
	f.Add(append(append([]byte{}, other[keyCACert]...), good[keyCACert]...), other[keyCAKey], good[keyLeafCert], good[keyLeafKey], int64(200*day))
	f.Fuzz(func(t *testing.T, caCert, caKey, leafCert, leafKey []byte, after int64) {
		// Within what a clock may say: fifty years around the start.
		now := start.Add(time.Duration(after % int64(50*365*day)))
		data := map[string][]byte{keyCACert: caCert, keyCAKey: caKey, keyLeafCert: leafCert, keyLeafKey: leafKey}
		d := Decide(now, data, names, policy)
		if d.Pair != nil {
			if _, err := tls.X509KeyPair(d.Pair.CertPEM, d.Pair.KeyPEM); err != nil {
				t.Errorf("pair to be served: %v", err)
			}
			if err := verifies(t, d.Pair.Leaf, d.Trust, now); err != nil {
				t.Errorf("pair to be served: %v", err)
			}
		} else if d.Action == Keep || d.Action == StageCA {
			t.Errorf("%v without a pair", d.Action)
		}
		// Whatever was there, a few writes lead to a Secret that is kept.
		for range 3 {
			if d = Decide(now, data, names, policy); d.Action == Keep {
				return
			}
			data = mustIssue(t, now, data, names, policy)
		}
		t.Errorf("not at rest: %v, %s", d.Action, d.Reason)
	})
}
