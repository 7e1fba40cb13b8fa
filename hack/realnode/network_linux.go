package realnode

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"github.com/vishvananda/netlink"

	"github.com/loadline/loadline/hack/netns"
)

// NodeAddress is the node's, on a network that nobody else is on.
const NodeAddress = "10.199.0.1"

// prepareNetwork gives the node its address. Its interface is one end of a pair whose
// other end nobody uses: there is no way out, and what is sent to a Service only needs an
// interface to be sent from, for kube-proxy rewrites it before.
func prepareNetwork() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "nobody"}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make eth0: %w", err)
	}
	for _, name := range []string{"eth0", "nobody"} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("bring %s up: %w", name, err)
		}
	}
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	node := &net.IPNet{IP: net.ParseIP(NodeAddress), Mask: net.CIDRMask(24, 32)}
	if err := netlink.AddrAdd(eth0, &netlink.Addr{IPNet: node}); err != nil {
		return fmt.Errorf("give eth0 %s: %w", node, err)
	}
	_, services, err := net.ParseCIDR(netns.ServiceCIDR)
	if err != nil {
		return err
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Dst: services, Src: node.IP}); err != nil {
		return fmt.Errorf("route %s: %w", services, err)
	}
	for path, value := range map[string]string{
		"/proc/sys/net/ipv4/ip_forward": "1",
		// Else an answer from one pod to another, which the bridge passes on by
		// itself, would not come from the Service's address that was asked.
		"/proc/sys/net/bridge/bridge-nf-call-iptables": "1",
	} {
		if err := os.WriteFile(path, []byte(value), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
