package node

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
)

// ipam hands out the addresses of a range one after the other, so that an
// address comes back only after the whole range went by: whoever still holds
// the address of a dead pod must not reach a new one.
type ipam struct {
	mu    sync.Mutex
	base  uint32
	size  uint32
	next  uint32
	taken map[netip.Addr]bool
}

// newIPAM starts at offset start of prefix (any number: it wraps). A random
// start keeps a restarted node from reusing the addresses of the last one.
func newIPAM(prefix netip.Prefix, start uint32) *ipam {
	base := prefix.Masked().Addr().As4()
	size := uint32(1) << (32 - prefix.Bits())
	return &ipam{base: binary.BigEndian.Uint32(base[:]), size: size, next: start % size, taken: map[netip.Addr]bool{}}
}

// nodeAddress is the first usable address; it is the node's own.
func (a *ipam) nodeAddress() netip.Addr { return a.at(1) }

func (a *ipam) at(offset uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], a.base+offset)
	return netip.AddrFrom4(b)
}

// allocate returns a free address. The first two and the last of the range, and
// those that end in .0 or .255, are never given: tools take them for networks.
func (a *ipam) allocate() (netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for range a.size {
		offset := a.next
		a.next = (a.next + 1) % a.size
		addr := a.at(offset)
		last := addr.As4()[3]
		if offset < 2 || offset == a.size-1 || last == 0 || last == 255 || a.taken[addr] {
			continue
		}
		a.taken[addr] = true
		return addr, nil
	}
	return netip.Addr{}, fmt.Errorf("no free pod IP left in %s/%d: %d pods hold one", a.at(0), 32-log2(a.size), len(a.taken))
}

func (a *ipam) release(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.taken, addr)
}

func log2(powerOfTwo uint32) int {
	n := 0
	for powerOfTwo > 1 {
		powerOfTwo >>= 1
		n++
	}
	return n
}
