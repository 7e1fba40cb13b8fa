package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// The minor versions of Kubernetes: the oldest that takes all that Loadline has, and those
// that it is made for.
const (
	oldestMinor, oldestKnown, newestKnown = 30, 34, 37
)

func checkVersion(s *Snapshot, o *outcome) {
	if s.Server.Unread != nil {
		o.unread("kube-apiserver does not say its version", s.Server.Unread)
		return
	}
	v := s.Server.Value.Version
	// Some providers write 37+.
	minor, err := strconv.Atoi(strings.TrimSuffix(v.Minor, "+"))
	switch {
	case v.Major != "1" || err != nil:
		o.warn("", "Kubernetes %s, of which nothing is known", v.GitVersion)
	case minor < oldestMinor:
		o.fail(fmt.Sprintf("upgrade to Kubernetes 1.%d or later", oldestMinor), "Kubernetes %s does not take the CustomResourceDefinition of AutoscalingPolicies", v.GitVersion)
	case minor < oldestKnown || minor > newestKnown:
		o.warn("", "Kubernetes %s is none of those that Loadline is made for, 1.%d to 1.%d", v.GitVersion, oldestKnown, newestKnown)
	default:
		o.ok("Kubernetes %s", v.GitVersion)
	}
}

func checkAutoscaling(s *Snapshot, o *outcome) {
	if u := s.Autoscaling.Unread; u != nil && !u.Absent {
		o.unread("the group autoscaling could not be read", u)
		return
	}
	versions := s.Autoscaling.Value.Versions
	if slices.ContainsFunc(versions, func(v metav1.GroupVersionForDiscovery) bool { return v.Version == "v2" }) {
		o.ok("autoscaling/v2 is served")
		return
	}
	o.fail("upgrade kube-apiserver, or take autoscaling/v2=false out of its --runtime-config", "autoscaling/v2 is not served: an HPA has one metric only, cpu")
}

// frontProxyKey is what kube-apiserver writes for the aggregated servers if it was started
// with the flags of the aggregation layer.
const frontProxyKey = "requestheader-client-ca-file"

func checkAggregation(s *Snapshot, o *outcome) {
	for i := range s.APIServices.Value {
		a := &s.APIServices.Value[i]
		if d, asked := s.Discovery[groupVersion(a)]; a.Spec.Service != nil && asked && d.Unread == nil {
			o.ok("kube-apiserver gets answers from %s/%s", a.Spec.Service.Namespace, a.Spec.Service.Name)
			return
		}
	}
	switch u := s.FrontProxy.Unread; {
	case u != nil && u.Absent, u == nil && s.FrontProxy.Value[frontProxyKey] == "":
		o.fail("start kube-apiserver with --requestheader-client-ca-file, --requestheader-allowed-names, --requestheader-extra-headers-prefix, --requestheader-group-headers, "+
			"--requestheader-username-headers, --proxy-client-cert-file and --proxy-client-key-file",
			"the aggregation layer is not configured: kube-system/extension-apiserver-authentication has no %s", frontProxyKey)
	case u != nil:
		o.unread("no aggregated API answers that would prove it, and its settings could not be read", u)
	default:
		o.ok("it is configured; no metrics API answers that would prove it")
	}
}

func groupVersion(a *apiregistrationv1.APIService) string {
	return a.Spec.Group + "/" + a.Spec.Version
}

// The gates that change what an HPA can say.
const (
	gateScaleToZero = "HPAScaleToZero"
	gateTolerance   = "HPAConfigurableTolerance"
)

func checkGates(s *Snapshot, o *outcome) {
	if s.Gates.Unread != nil {
		o.unread("kube-apiserver's /metrics, which has them, could not be read", s.Gates.Unread)
		return
	}
	for _, gate := range []struct {
		name, without, remedy string
		needs                 func(*autoscalingv2.HorizontalPodAutoscaler) bool
	}{
		{gateScaleToZero, "min 0 is refused", "switch it on in kube-apiserver and kube-controller-manager, or give min 1",
			func(h *autoscalingv2.HorizontalPodAutoscaler) bool {
				return h.Spec.MinReplicas != nil && *h.Spec.MinReplicas == 0
			}},
		{gateTolerance, "a tolerance is dropped", "switch it on in kube-apiserver and kube-controller-manager, or leave tolerance out", tolerant},
	} {
		on, known := s.Gates.Value[gate.name]
		switch needed := slices.IndexFunc(s.HPAs.Value, func(h autoscalingv2.HorizontalPodAutoscaler) bool { return gate.needs(&h) }); {
		case !known:
			// It graduated, or is not there yet: the version says which.
			o.ok("%s is no gate of this version", gate.name)
		case on:
			o.ok("%s is on", gate.name)
		case needed >= 0:
			h := &s.HPAs.Value[needed]
			o.warn(gate.remedy, "%s is off, and the HPA %s/%s was made with it", gate.name, h.Namespace, h.Name)
		default:
			o.ok("%s is off: %s", gate.name, gate.without)
		}
	}
}

func tolerant(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	b := h.Spec.Behavior
	return b != nil && (b.ScaleUp != nil && b.ScaleUp.Tolerance != nil || b.ScaleDown != nil && b.ScaleDown.Tolerance != nil)
}

// How far clocks may be apart. The machine's own matters to ages that are printed, the
// cluster's to what is computed from them.
const (
	localSkew   = 3 * time.Second
	clusterSkew = 5 * time.Second
	clusterFail = 30 * time.Second
)

func checkClock(s *Snapshot, o *outcome) {
	server := s.Server.Value
	if s.Server.Unread != nil || server.Date.IsZero() {
		u := s.Server.Unread
		if u == nil {
			u = &Unread{Reason: "its answer has no Date"}
		}
		o.unread("kube-apiserver does not say what time it is", u)
		return
	}
	// The Date is cut to the second, and was written somewhere on the way.
	way := server.Received.Sub(server.Sent)
	off := server.Received.Add(-way / 2).Sub(server.Date.Add(time.Second / 2))
	if off.Abs() > localSkew+way/2 {
		o.warn("synchronise this machine's clock (chrony, systemd-timesyncd): ages in explain and status go by it",
			"the clock of this machine is %s %s kube-apiserver's", off.Abs().Round(time.Second), before(off < 0))
	} else {
		o.ok("this machine and kube-apiserver agree")
	}
	// Reading took its time, so that what is after that is in the future for sure.
	latest := server.Date.Add(time.Second + s.Now.Sub(server.Received))
	s.future(latest, o)
}

func before(is bool) string {
	if is {
		return "behind"
	}
	return "ahead of"
}

// future finds who writes times that are still to come.
func (s *Snapshot) future(latest time.Time, o *outcome) {
	var ahead []Object
	worst := time.Duration(0)
	looked := 0
	look := func(kind, namespace, name, what string, at time.Time) {
		looked++
		by := at.Sub(latest)
		if by <= clusterSkew {
			return
		}
		worst = max(worst, by)
		ahead = append(ahead, Object{kind, namespace, name, fmt.Sprintf("%s is %s in the future", what, by.Round(time.Second))})
	}
	for _, l := range append(slices.Clip(s.Leases.Value), s.ManagerLease.Value) {
		if l.Spec.RenewTime != nil {
			look("Lease", l.Namespace, l.Name, "its renewTime", l.Spec.RenewTime.Time)
		}
	}
	for i := range s.HPAs.Value {
		h := &s.HPAs.Value[i]
		for _, c := range h.Status.Conditions {
			look("HorizontalPodAutoscaler", h.Namespace, h.Name, "the lastTransitionTime of "+string(c.Type), c.LastTransitionTime.Time)
		}
	}
	const remedy = "synchronise the clocks of the nodes (chrony, systemd-timesyncd): the HPA controller compares times of pods, metrics and its own"
	switch {
	case worst > clusterFail:
		o.about(Fail, remedy, "clocks of the cluster are ahead of kube-apiserver's", ahead)
	case worst > 0:
		o.about(Warn, remedy, "clocks of the cluster are ahead of kube-apiserver's", ahead)
	case looked > 0:
		o.ok("no time of a lease or an HPA is in the future")
	}
	if u := s.Leases.Unread; u != nil && !u.Absent && worst == 0 {
		o.unread("leases, which tell the nodes' clocks, could not be read", u)
	}
}
