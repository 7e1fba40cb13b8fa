package load

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// targets returns the only networks that load may be sent to: the pod range
// of the local cluster and the loopback network.
func targets() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("127.0.0.0/8")}
}

// CheckTarget returns an error unless addr (IP:PORT) is a pod of the local
// cluster. Host names are refused: nothing is to be resolved.
func CheckTarget(addr string) error {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fmt.Errorf("target %q: must be IP:PORT: %w", addr, err)
	}
	for _, n := range targets() {
		if n.Contains(ap.Addr()) {
			return nil
		}
	}
	return fmt.Errorf("target %q: refused, load is only sent to %v", addr, targets())
}

// transport dials nothing but permitted targets, whatever a request says, and
// uses no proxy.
func transport(concurrency int) *http.Transport {
	dialer := &net.Dialer{
		Timeout: 2 * time.Second,
		ControlContext: func(_ context.Context, _, addr string, _ syscall.RawConn) error {
			return CheckTarget(addr)
		},
	}
	return &http.Transport{
		DialContext:         dialer.DialContext,
		MaxIdleConns:        concurrency,
		MaxIdleConnsPerHost: concurrency,
		IdleConnTimeout:     10 * time.Second,
	}
}
