package scrape

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/loadline/loadline/provider/source/embedded/target"
)

// dialer connects to addresses of targets, and to no other. That they may be reached was
// decided with the list of them; here it is decided once more, for what is dialled counts.
type dialer struct {
	net.Dialer
	gate atomic.Pointer[gate]
}

// gate is what may be dialled at present.
type gate struct {
	targets map[netip.AddrPort]bool
	fence   target.Fence
}

// newDialer returns one that connects to nothing before open. It gives up after timeout, for
// who asks for a connection may have given up before without being heard.
func newDialer(timeout time.Duration) *dialer {
	d := &dialer{Dialer: net.Dialer{Timeout: timeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 15 * time.Second, Count: 3}}}
	d.gate.Store(&gate{})
	return d
}

// open lets targets be dialled that fence lets pass, and nothing else.
func (d *dialer) open(targets []target.Target, fence target.Fence) {
	g := &gate{targets: make(map[netip.AddrPort]bool, len(targets)), fence: fence}
	for _, t := range targets {
		g.targets[t.Address] = true
	}
	d.gate.Store(g)
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address) // not a name, which could be anything when it is looked up
	if err != nil {
		return nil, fmt.Errorf("%q is no address of a target", address)
	}
	g := d.gate.Load()
	if !g.targets[to] {
		return nil, fmt.Errorf("%s is the address of no target", to)
	}
	if err := g.fence.Check(to.Addr()); err != nil {
		return nil, err
	}
	return d.DialContext(ctx, network, to.String())
}
