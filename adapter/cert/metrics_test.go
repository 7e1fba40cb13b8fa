package cert

import (
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestNotAfter(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	leaf, ends := mustIssue(t, now, nil, names, DefaultPolicy())[keyLeafCert], now.Add(DefaultPolicy().LeafLifetime)
	key := string(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte("x")}))
	for name, tc := range map[string]struct {
		blocks string
		want   time.Time
	}{
		"a certificate":        {string(leaf), ends},
		"after something else": {key + string(leaf), ends},
		"nothing":              {"", time.Time{}},
		"no certificate":       {key, time.Time{}},
		"one that is spoilt":   {string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})), time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := NotAfter([]byte(tc.blocks)); !got.Equal(tc.want) {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// Of a given certificate is told when it expires, and of none nothing.
func TestExpiry(t *testing.T) {
	at := time.Time{}
	c := NewExpiry("x_", func() time.Time { return at })
	if n := testutil.CollectAndCount(c); n != 0 {
		t.Errorf("%d series of no certificate", n)
	}
	at = time.Unix(1_900_000_000, 0)
	want := `
# HELP x_serving_certificate_not_after_timestamp_seconds When the serving certificate expires, be it self-managed or given. Absent without one.
# TYPE x_serving_certificate_not_after_timestamp_seconds gauge
x_serving_certificate_not_after_timestamp_seconds 1.9e+09
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
