package target

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
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
	case hasCredentials(a):
		return fmt.Errorf("%s is where a cloud has its credentials", a)
	case translated(a):
		return fmt.Errorf("%s is an address of IPv4 that is translated, and no pod's", a)
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

// hasCredentials says whether an address is one of those at which clouds tell machines their
// credentials, and that are not of the link.
func hasCredentials(a netip.Addr) bool {
	switch a.String() {
	case "fd00:ec2::254", // Amazon
		"fd20:ce::254",    // Google
		"168.63.129.16",   // Azure
		"100.100.100.200", // Alibaba
		"192.0.0.192":     // Oracle
		return true
	}
	return false
}

// translated says whether an address of IPv6 stands for one of IPv4, which could be any that
// is refused: by NAT64 (64:ff9b::/96 and 64:ff9b:1::/48), 6to4 (2002::/16), or as ::/96.
func translated(a netip.Addr) bool {
	if !a.Is6() || a.IsLoopback() {
		return false
	}
	b := a.As16()
	return b[0] == 0x20 && b[1] == 0x02 ||
		slices.Equal(b[:4], []byte{0, 0x64, 0xff, 0x9b}) ||
		slices.Equal(b[:12], make([]byte, 12))
}
