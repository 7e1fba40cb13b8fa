package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"

	"github.com/loadline/loadline/hack/netns"
)

// Ports are taken from below Linux's range for outgoing connections (32768 and
// up): between choosing a port and the server's listening on it, no connection
// can be given it by chance.
const firstPort, lastPort = 20000, 32000

// chosen are the ports that were chosen in this process: nothing else tells that one is
// taken until its server listens, which takes a second.
var chosen sync.Map

// listenAnywhere listens on a random loopback port that was never chosen before, by a
// listen function that may be one of another network namespace.
func listenAnywhere(listen func(addr string) (net.Listener, error)) (net.Listener, int, error) {
	var failed error
	for range 50 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if _, before := chosen.LoadOrStore(port, true); before {
			failed = fmt.Errorf("port %d was chosen before", port)
			continue
		}
		l, err := listen(fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return l, port, nil
		}
		failed = err
	}
	return nil, 0, fmt.Errorf("no free port between %d and %d: %w", firstPort, lastPort, failed)
}

// freePorts chooses n different ports of this network that are free now.
func freePorts(n int) (ports []int, err error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	for range n {
		l, port, err := listenAnywhere(func(addr string) (net.Listener, error) { return net.Listen("tcp", addr) })
		if err != nil {
			return nil, err
		}
		held, ports = append(held, l), append(ports, port)
	}
	return ports, nil
}

// sharedPort chooses a port that is the same inside and outside of the
// namespace. The listener is the one outside; without a namespace there is
// none, and the port is just free.
func sharedPort(ctx context.Context) (int, net.Listener, error) {
	if !netns.Isolated() {
		ports, err := freePorts(1)
		if err != nil {
			return 0, nil, err
		}
		return ports[0], nil, nil
	}
	l, port, err := listenAnywhere(func(addr string) (net.Listener, error) { return netns.Listen(ctx, addr) })
	return port, l, err
}
