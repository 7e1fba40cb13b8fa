package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	names = []string{"adapter.ns.svc", "adapter.ns.svc.cluster.local"}
)

const day = 24 * time.Hour

// roundPolicy has no backdating, so that times are round.
func roundPolicy() Policy {
	return Policy{CALifetime: 300 * day, LeafLifetime: 30 * day, Settle: time.Minute}
}

func mustIssue(t testing.TB, now time.Time, data map[string][]byte, names []string, policy Policy) map[string][]byte {
	t.Helper()
	d := Decide(now, data, names, policy)
	next, err := Issue(now, d, names, policy)
	if err != nil {
		t.Fatal(err)
	}
	if next == nil {
		t.Fatalf("nothing to do at %v", now)
	}
	return next
}

func keyPEM(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// leafFor is a leaf of the CA in data with a template changed by edit and a
// key of any kind.
func leafFor(t testing.TB, data map[string][]byte, key crypto.Signer, edit func(*x509.Certificate)) map[string][]byte {
	t.Helper()
	ca, err := parseAuthority(data, start)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, DNSNames: names,
		NotBefore: start, NotAfter: start.Add(30 * day), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	edit(template)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	out := maps.Clone(data)
	out[keyLeafCert] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	out[keyLeafKey] = keyPEM(t, key)
	return out
}

func with(data map[string][]byte, key string, value []byte) map[string][]byte {
	out := maps.Clone(data)
	out[key] = value
	return out
}

func TestDecide(t *testing.T) {
	policy := roundPolicy()
	good := mustIssue(t, start, nil, names, policy)
	other := mustIssue(t, start, nil, names, policy)
	staged := mustIssue(t, start.Add(200*day), mustIssue(t, start.Add(190*day), good, names, policy), names, policy)

	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	same := func(*x509.Certificate) {}

	type want struct {
		Action Action
		Reason string
		Serves bool
		Trust  int
	}
	tests := map[string]struct {
		after  time.Duration
		data   map[string][]byte
		names  []string
		jitter float64
		want   want
	}{
		"empty":                      {data: nil, want: want{Replace, "ca.crt: is empty; tls.crt: is empty", false, 0}},
		"blank entries":              {data: map[string][]byte{keyCACert: []byte(" \n"), keyLeafCert: []byte("\n")}, want: want{Replace, "ca.crt: is empty; tls.crt: is empty", false, 0}},
		"fresh":                      {data: good, want: want{Keep, "", true, 1}},
		"trailing newline":           {data: with(good, keyCACert, append(append([]byte{}, good[keyCACert]...), '\n', '\n')), want: want{Keep, "", true, 1}},
		"leaf just before 2/3":       {data: good, after: 20*day - time.Second, want: want{Keep, "", true, 1}},
		"leaf at 2/3":                {data: good, after: 20 * day, want: want{RenewLeaf, "the certificate expires at 2030-01-31T00:00:00Z", true, 1}},
		"leaf at 2/3, late replica":  {data: good, after: 20 * day, jitter: 0.99, want: want{Keep, "", true, 1}},
		"latest replica renews, too": {data: good, after: 20*day + 36*time.Hour, jitter: 0.99, want: want{RenewLeaf, "the certificate expires at 2030-01-31T00:00:00Z", true, 1}},
		"leaf expired":               {data: good, after: 31 * day, want: want{RenewLeaf, "tls.crt: the certificate expired at 2030-01-31T00:00:00Z", false, 1}},
		"CA at 2/3 comes first":      {data: leafFor(t, good, p256, func(c *x509.Certificate) { c.NotAfter = start.Add(290 * day) }), after: 200 * day, want: want{StageCA, "the CA expires at 2030-10-28T00:00:00Z", true, 1}},
		"CA expired":                 {data: good, after: 301 * day, want: want{Replace, "ca.crt: the CA expired at 2030-10-28T00:00:00Z; tls.crt: the certificate expired at 2030-01-31T00:00:00Z", false, 0}},
		"new CA not settled":         {data: staged, after: 200*day + 59*time.Second, want: want{Keep, "", true, 2}},
		"clock behind":               {data: good, after: -time.Second, want: want{Replace, "ca.crt: the CA is valid only from 2030-01-01T00:00:00Z; tls.crt: the certificate is valid only from 2030-01-01T00:00:00Z", false, 0}},

		"garbage CA":          {data: with(good, keyCACert, []byte("\x00\xff garbage")), want: want{Replace, "ca.crt: is not a list of PEM certificates; tls.crt: x509: certificate signed by unknown authority", false, 0}},
		"garbage after CA":    {data: with(good, keyCACert, append(append([]byte{}, good[keyCACert]...), "garbage"...)), want: want{Replace, "ca.crt: is not a list of PEM certificates; tls.crt: x509: certificate signed by unknown authority", false, 0}},
		"key in CA bundle":    {data: with(good, keyCACert, good[keyCAKey]), want: want{Replace, "ca.crt: is not a list of PEM certificates; tls.crt: x509: certificate signed by unknown authority", false, 0}},
		"oversized CA":        {data: with(good, keyCACert, make([]byte, maxEntry+1)), want: want{Replace, "ca.crt: has 65537 bytes, more than 65536; tls.crt: x509: certificate signed by unknown authority", false, 0}},
		"garbage CA key":      {data: with(good, keyCAKey, []byte("garbage")), want: want{StageCA, "ca.key: is not a PEM PKCS#8 private key", true, 1}},
		"no CA key":           {data: with(good, keyCAKey, nil), want: want{StageCA, "ca.key: is empty", true, 1}},
		"CA key of another":   {data: with(good, keyCAKey, other[keyCAKey]), want: want{StageCA, "ca.key: does not belong to the first certificate of ca.crt", true, 1}},
		"RSA CA key":          {data: with(good, keyCAKey, keyPEM(t, rsaKey)), want: want{StageCA, "ca.key: is not an ECDSA P-256 key", true, 1}},
		"truncated CA key":    {data: with(good, keyCAKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1, 2}})), want: want{StageCA, "ca.key: is not a PKCS#8 private key", true, 1}},
		"oversized key":       {data: with(good, keyLeafKey, make([]byte, maxEntry+1)), want: want{RenewLeaf, "tls.key: has 65537 bytes, more than 65536", false, 1}},
		"leaf for CA":         {data: with(good, keyCACert, good[keyLeafCert]), want: want{Replace, "ca.crt: the certificate is not a CA's; tls.crt: x509: certificate signed by unknown authority", false, 0}},
		"another CA's leaf":   {data: with(with(good, keyLeafCert, other[keyLeafCert]), keyLeafKey, other[keyLeafKey]), want: want{RenewLeaf, "tls.crt: x509: certificate signed by unknown authority", false, 1}},
		"garbage leaf":        {data: with(good, keyLeafCert, []byte("garbage")), want: want{RenewLeaf, "tls.crt: is not a list of PEM certificates", false, 1}},
		"no leaf key":         {data: with(good, keyLeafKey, nil), want: want{RenewLeaf, "tls.key: is empty", false, 1}},
		"leaf key of another": {data: with(good, keyLeafKey, other[keyLeafKey]), want: want{RenewLeaf, "tls.key: does not belong to tls.crt", false, 1}},
		"RSA leaf":            {data: leafFor(t, good, rsaKey, same), want: want{RenewLeaf, "tls.crt: the key is not ECDSA P-256", false, 1}},
		"P-384 leaf":          {data: leafFor(t, good, p384, same), want: want{RenewLeaf, "tls.crt: the key is not ECDSA P-256", false, 1}},
		"Ed25519 leaf":        {data: leafFor(t, good, ed, same), want: want{RenewLeaf, "tls.crt: the key is not ECDSA P-256", false, 1}},
		"P-384 leaf key":      {data: with(good, keyLeafKey, keyPEM(t, p384)), want: want{RenewLeaf, "tls.key: is not an ECDSA P-256 key", false, 1}},
		"wrong names":         {data: good, names: []string{"adapter.other.svc"}, want: want{RenewLeaf, "tls.crt: is not valid for adapter.other.svc", false, 1}},
		"not for a server":    {data: leafFor(t, good, p256, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), want: want{RenewLeaf, "tls.crt: x509: certificate specifies an incompatible key usage", false, 1}},
		"leaf not yet valid":  {data: leafFor(t, good, p256, func(c *x509.Certificate) { c.NotBefore = start.Add(day) }), want: want{RenewLeaf, "tls.crt: the certificate is valid only from 2030-01-02T00:00:00Z", false, 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			wanted := tt.names
			if wanted == nil {
				wanted = names
			}
			p := policy
			p.Jitter = tt.jitter
			d := Decide(start.Add(tt.after), tt.data, wanted, p)
			got := want{d.Action, d.Reason, d.Pair != nil, len(d.Trust)}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A new CA that has had the time to spread signs the leaf that is due.
func TestDecideAfterSettling(t *testing.T) {
	policy := roundPolicy()
	data := mustIssue(t, start, nil, names, policy)
	data = with(data, keyCAKey, nil)
	data = mustIssue(t, start.Add(20*day), data, names, policy)
	if d := Decide(start.Add(20*day+59*time.Second), data, names, policy); d.Action != Keep {
		t.Errorf("before settling: %v", d.Action)
	}
	if d := Decide(start.Add(20*day+time.Minute), data, names, policy); d.Action != RenewLeaf {
		t.Errorf("after settling: %v", d.Action)
	}
	// A leaf that cannot be served waits for nothing.
	if d := Decide(start.Add(20*day), with(data, keyLeafCert, nil), names, policy); d.Action != RenewLeaf {
		t.Errorf("without a leaf: %v", d.Action)
	}
}

func TestBackdating(t *testing.T) {
	policy := DefaultPolicy()
	data := mustIssue(t, start, nil, names, policy)
	for _, skew := range []time.Duration{-policy.Backdate, 0} {
		if d := Decide(start.Add(skew), data, names, policy); d.Action != Keep {
			t.Errorf("clock off by %v: %v, %s", skew, d.Action, d.Reason)
		}
	}
	if d := Decide(start.Add(-policy.Backdate-time.Second), data, names, policy); d.Action != Replace {
		t.Errorf("clock behind by more than the backdating: %v", d.Action)
	}
}

// A certificate is not due for renewal when it is made, however short its life is, and is
// renewed while it is valid.
func TestPolicyOf(t *testing.T) {
	for _, life := range []time.Duration{time.Minute, 10 * time.Minute, time.Hour, day, DefaultLifetime, 365 * day} {
		policy := PolicyOf(life)
		if err := policy.Validate(); err != nil {
			t.Errorf("%v: %v", life, err)
		}
		data := mustIssue(t, start, nil, names, policy)
		for _, at := range []struct {
			after time.Duration
			want  Action
		}{{0, Keep}, {life / 2, Keep}, {life * 3 / 4, RenewLeaf}, {life - 1, RenewLeaf}} {
			if d := Decide(start.Add(at.after), data, names, policy); d.Action != at.want {
				t.Errorf("of %v, after %v: %v, want %v", life, at.after, d.Action, at.want)
			}
		}
	}
}

// Who gives certificates a longer life does not lose the short-lived one that there is.
func TestLongerLifetime(t *testing.T) {
	data := mustIssue(t, start, nil, names, PolicyOf(time.Minute))
	for _, at := range []struct {
		after time.Duration
		want  Action
	}{{30 * time.Second, Keep}, {50 * time.Second, RenewLeaf}} {
		if d := Decide(start.Add(at.after), data, names, DefaultPolicy()); d.Action != at.want {
			t.Errorf("after %v: %v, want %v", at.after, d.Action, at.want)
		}
	}
}

func TestPolicyValidate(t *testing.T) {
	if err := DefaultPolicy().Validate(); err != nil {
		t.Error(err)
	}
	bad := Policy{CALifetime: time.Hour, LeafLifetime: time.Hour, Backdate: -1, Settle: time.Hour, Jitter: 1}
	want := `CA lifetime 1h0m0s: must be at least three times the leaf lifetime 1h0m0s
backdate -1ns: must not be negative
settle time 1h0m0s: must be between 0 and a tenth of the leaf lifetime 1h0m0s
jitter 1: must be in [0,1)`
	err := bad.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}
