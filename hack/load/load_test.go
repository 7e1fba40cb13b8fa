package load

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheckTarget(t *testing.T) {
	for target, allowed := range map[string]bool{
		"10.244.0.1:80":              true,
		"10.244.255.254:8080":        true,
		"127.0.0.1:80":               true,
		"127.200.3.4:80":             true,
		"10.245.0.1:80":              false,
		"10.96.0.1:443":              false,
		"192.168.0.1:80":             false,
		"8.8.8.8:80":                 false,
		"[::1]:80":                   false,
		"[::ffff:127.0.0.1]:80":      false,
		"localhost:80":               false,
		"10.244.0.1":                 false,
		"10.244.0.1.example.com:80":  false,
		"user@10.244.0.1:80":         false,
		"10.244.0.1:80@example.com:": false,
		"":                           false,
	} {
		if err := CheckTarget(target); (err == nil) != allowed {
			t.Errorf("CheckTarget(%q) = %v, want allowed %v", target, err, allowed)
		}
	}
}

func FuzzCheckTarget(f *testing.F) {
	f.Add("10.244.0.1:80")
	f.Add("127.0.0.1:0")
	f.Add("example.com:80")
	f.Fuzz(func(t *testing.T, target string) {
		if CheckTarget(target) == nil && target[:4] != "127." && target[:7] != "10.244." {
			t.Errorf("%q was allowed", target)
		}
	})
}
