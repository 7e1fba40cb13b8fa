// Package netns runs a command in a network namespace of its own, in which
// whole address ranges of a Kubernetes cluster are local: a process that
// listens on 0.0.0.0 answers on every pod address, and address and port cannot
// collide with anything on the machine.
//
// Root gets a plain network namespace, everybody else one inside a user
// namespace. Where the machine offers neither, the command runs in the
// machine's own network, and [Isolated] tells it so.
//
// Outside, the process that called [Run] holds a control socket. Through it a
// process inside gets listeners that belong to the network outside (a socket
// stays in the namespace it was made in, wherever its descriptor travels):
// [Listen] and [Forward] make one port reachable from both.
package netns

import (
	"fmt"
	"net"
	"os"
)

const (
	// envMode tells a command where it runs: modePrivate or modeNone.
	envMode = "LOADLINE_NETNS"
	// envControl is the path of the control socket, in a namespace only.
	envControl = "LOADLINE_NETNS_CONTROL"

	modePrivate = "private"
	modeNone    = "none"
)

// Address ranges that are local inside the namespace.
const (
	PodCIDR     = "10.244.0.0/16"
	ServiceCIDR = "10.96.0.0/16"
)

// Isolated tells whether this process runs in a namespace made by [Run], that
// is, whether it can listen on any address of [PodCIDR]. The environment says
// what was intended, listening proves it.
func Isolated() bool {
	if os.Getenv(envMode) != modePrivate {
		return false
	}
	l, err := net.Listen("tcp", "10.244.127.254:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// ExitError is the way a command ended that was run by [Run].
type ExitError struct {
	Code int // as a shell reports it: 128+n after signal n
}

func (e *ExitError) Error() string { return fmt.Sprintf("exit status %d", e.Code) }
