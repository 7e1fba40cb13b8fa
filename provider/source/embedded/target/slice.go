package target

import (
	"net/netip"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// FromSlice takes the endpoints of an EndpointSlice that are ready and are pods of its
// namespace. Ready is also what does not say.
func FromSlice(s *discoveryv1.EndpointSlice) (out []Endpoint) {
	for _, e := range s.Endpoints {
		ready, ref := e.Conditions.Ready, e.TargetRef
		switch {
		case ready != nil && !*ready, ref == nil, ref.Kind != "Pod", ref.Name == "", ref.Namespace != "" && ref.Namespace != s.Namespace:
			continue
		}
		for _, ip := range parseAddresses(e) {
			out = append(out, Endpoint{Namespace: s.Namespace, Service: s.Labels[discoveryv1.LabelServiceName], Pod: ref.Name, UID: string(ref.UID), Address: ip})
		}
	}
	return out
}

// Addresses are all of an EndpointSlice, whatever is there and whether it is ready.
func Addresses(s *discoveryv1.EndpointSlice) (out []netip.Addr) {
	for _, e := range s.Endpoints {
		out = append(out, parseAddresses(e)...)
	}
	return out
}

// parseAddresses are the IP addresses of an endpoint; of one with a name, none.
func parseAddresses(e discoveryv1.Endpoint) (out []netip.Addr) {
	for _, text := range e.Addresses {
		out = appendAddress(out, text)
	}
	return out
}
