package target

import (
	"errors"
	"fmt"
	"net/netip"
)

// Fence says which addresses must not be reached. An adapter stands where tenants do not, so
// what it would reach for them is not theirs to reach: itself and what listens on its
// machine only, the machine's links, where clouds have their credentials, the API server,
// and nodes. The zero value lets the rest pass.
type Fence struct {
	// Loopback lets loopback pass, for development: there pods are processes of one machine.
	Loopback bool
	// HostNetwork lets pods with the address of their node pass, and so what else listens
	// there.
	HostNetwork bool
	// Denied are addresses with what they are, such as "the API server".
	Denied map[netip.Addr]string
	// Nodes are the addresses of nodes.
	Nodes map[netip.Addr]bool
}

// Check says why an address must not be reached; nil if it may.
func (f *Fence) Check(a netip.Addr) error {
	a = a.Unmap()
	switch {
	case !a.IsValid():
		return errors.New("there is no address")
	case a.Zone() != "":
		return fmt.Errorf("%s is an address of a link", a)
	case a.IsUnspecified():
		return fmt.Errorf("%s is no address of anybody", a)
	case a.IsMulticast():
		return fmt.Errorf("%s is an address of many", a)
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%s is an address of all", a)
	case a.IsLinkLocalUnicast():
		return fmt.Errorf("%s is an address of the link, where clouds have their credentials", a)
	case a.IsLoopback() && !f.Loopback:
		return fmt.Errorf("%s is loopback, where only the adapter's own pod listens", a)
	}
	if what, denied := f.Denied[a]; denied {
		return fmt.Errorf("%s is the address of %s", a, what)
	}
	if f.Nodes[a] && !f.HostNetwork && !(a.IsLoopback() && f.Loopback) {
		return fmt.Errorf("%s is the address of a node, where more listens than a pod: allow hostNetwork for such", a)
	}
	return nil
}
