package doctor

import (
	"cmp"
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// ManagerLease is the Lease, in kube-system, by which the kube-controller-managers of a cluster
// take turns. One of them has the HPA controller.
const ManagerLease = "kube-controller-manager"

// abandoned is how old the renewTime of a Lease is that nobody renews: kube-controller-manager
// does every 2 s, and another one takes it over after 15 s.
const abandoned = time.Minute

// managerRuns looks whether somebody renews kube-controller-manager's Lease, by kube-apiserver's
// clock: that of this machine may be wrong. It adds nothing where somebody does; remark is what is
// to be said of a cluster in which it cannot be seen, and is no fault.
func (s *Snapshot) managerRuns(o *outcome) (remark string) {
	const name = metav1.NamespaceSystem + "/" + ManagerLease
	switch u := s.ManagerLease.Unread; {
	case u != nil && u.Absent:
		return "there is no Lease " + name + " (kube-controller-manager is elsewhere, or without leader election), so that whether the HPA controller runs is not seen"
	case u != nil:
		o.unread("the Lease "+name+", which says whether the HPA controller runs, could not be read", u)
		return ""
	}
	lease := &s.ManagerLease.Value
	if lease.Spec.RenewTime == nil {
		return "the Lease " + name + " was never renewed, so that whether the HPA controller runs is not seen"
	}
	if s.Server.Value.Date.IsZero() {
		o.unread("whether somebody renews the Lease "+name+" cannot be seen", &Unread{Reason: "kube-apiserver does not say what time it is"})
		return ""
	}
	// The Lease was read after that Date, so that it is older for sure.
	renewed := lease.Spec.RenewTime.Time
	age := s.Server.Value.Date.Sub(renewed)
	if age <= abandoned {
		return ""
	}
	text := fmt.Sprintf("the Lease %s was renewed %s ago by kube-apiserver's clock, the last time by %s", name, age.Round(time.Second), cmp.Or(ptr.Deref(lease.Spec.HolderIdentity, ""), "nobody who is named"))
	if h := s.actedSince(renewed.Add(abandoned)); h != nil {
		return fmt.Sprintf("%s, and the HPA controller has written %s/%s since: it goes by another Lease, or by none", text, h.Namespace, h.Name)
	}
	o.objects = append(o.objects, Object{Kind: "Lease", Namespace: metav1.NamespaceSystem, Name: ManagerLease, Seen: text})
	o.fail("see whether kube-controller-manager runs, what it logs, and whether it reaches kube-apiserver; if it runs, synchronise the clock of its machine; if it goes without leader election, delete this Lease, which is left over",
		"nobody runs the HPA controller: %s", text)
	return ""
}

// actedSince is an HPA whose status has a time after another one: the controller wrote it.
func (s *Snapshot) actedSince(when time.Time) *autoscalingv2.HorizontalPodAutoscaler {
	for i := range s.HPAs.Value {
		h := &s.HPAs.Value[i]
		if h.Status.LastScaleTime != nil && h.Status.LastScaleTime.After(when) {
			return h
		}
		for _, c := range h.Status.Conditions {
			if c.LastTransitionTime.After(when) {
				return h
			}
		}
	}
	return nil
}
