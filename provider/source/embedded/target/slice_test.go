package target

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestFromSlice(t *testing.T) {
	yes, no := true, false
	pod := func(name string) *corev1.ObjectReference {
		return &corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: name, UID: "u"}
	}
	at := func(ready *bool, ref *corev1.ObjectReference, addresses ...string) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Addresses: addresses, Conditions: discoveryv1.EndpointConditions{Ready: ready}, TargetRef: ref}
	}
	one := []Endpoint{{Namespace: "shop", Service: "queue", Pod: "a", UID: "u", Address: ip("10.0.0.1")}}
	for name, tc := range map[string]struct {
		endpoint  discoveryv1.Endpoint
		want      []Endpoint
		addresses []netip.Addr
	}{
		"ready":          {at(&yes, pod("a"), "10.0.0.1"), one, []netip.Addr{ip("10.0.0.1")}},
		"unsaid":         {at(nil, pod("a"), "10.0.0.1"), one, []netip.Addr{ip("10.0.0.1")}},
		"mapped":         {at(nil, pod("a"), "::ffff:10.0.0.1"), one, []netip.Addr{ip("10.0.0.1")}},
		"not ready":      {at(&no, pod("a"), "10.0.0.1"), nil, []netip.Addr{ip("10.0.0.1")}},
		"nothing behind": {at(&yes, nil, "10.0.0.1"), nil, []netip.Addr{ip("10.0.0.1")}},
		"a node":         {at(&yes, &corev1.ObjectReference{Kind: "Node", Name: "a"}, "10.0.0.1"), nil, []netip.Addr{ip("10.0.0.1")}},
		"a pod of another namespace": {
			at(&yes, &corev1.ObjectReference{Kind: "Pod", Namespace: "other", Name: "a"}, "10.0.0.1"), nil, []netip.Addr{ip("10.0.0.1")},
		},
		"a name": {at(&yes, pod("a"), "queue.example"), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			slice := &discoveryv1.EndpointSlice{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "queue-x", Labels: map[string]string{discoveryv1.LabelServiceName: "queue"}},
				Endpoints:  []discoveryv1.Endpoint{tc.endpoint},
			}
			same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
			if diff := cmp.Diff(tc.want, FromSlice(slice), same); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.addresses, Addresses(slice), same); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
		})
	}
}
