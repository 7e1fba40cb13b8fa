package hpa

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

func (p *problems) rollout(at *field.Path, r *v1alpha1.Rollout) {
	if r == nil {
		return
	}
	oneOf(p, at.Child("scaleIn"), r.ScaleIn, v1alpha1.Hold, v1alpha1.Allow)
	p.hold(at.Child("maxHold"), r.MaxHold, "no time for which a rollout holds")
	oneOf(p, at.Child("predecessor"), r.Predecessor, v1alpha1.Keep, v1alpha1.ScaleToZero)
	if r.Predecessor == v1alpha1.ScaleToZero && r.ScaleIn == v1alpha1.Allow {
		p.refuse(at.Child("predecessor"), "ScaleToZero waits until the new pods have the size that is held", "give scaleIn Hold")
	}
}

// hold checks a time for which something is held or waited for at most.
func (p *problems) hold(at *field.Path, d *metav1.Duration, what string) {
	if d != nil && (d.Duration < time.Minute || d.Duration > 24*time.Hour) {
		p.refuse(at, fmt.Sprintf("%s is %s", d.Duration, what), "give 1m to 24h")
	}
}

// turning are the kinds whose pods are known, so that it is known whether a Service
// selects them.
var turning = []string{"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"}

func (p *problems) blueGreen(spec *field.Path, s *v1alpha1.AutoscalingPolicySpec) {
	b, at := s.BlueGreen, spec.Child("blueGreen")
	if b == nil {
		return
	}
	if p.required(at.Child("service"), b.Service, 63) && !shortName.MatchString(b.Service) {
		p.refusef(at.Child("service"), "use a-z, 0-9 and -", "%q is no name of a Service", b.Service)
	}
	other, kinds := at.Child("otherRef"), "name a "+strings.Join(turning[:3], ", ")+" or "+turning[3]
	if p.object(other, b.OtherRef.APIVersion, b.OtherRef.Kind, b.OtherRef.Name) {
		p.group(other.Child("apiVersion"), b.OtherRef)
	}
	if k := b.OtherRef.Kind; k != "" && !slices.Contains(turning, k) {
		p.refusef(other.Child("kind"), kinds, "the pods of a %s are not known", k)
	}
	if k := s.TargetRef.Kind; k != "" && !slices.Contains(turning, k) {
		p.refusef(spec.Child("targetRef", "kind"), kinds, "the pods of a %s are not known, so it cannot take turns", k)
	}
	if b.OtherRef.Name == s.TargetRef.Name {
		p.refuse(other.Child("name"), "the two workloads need different names", "rename one: it is by them that they are told apart")
	}
	oneOf(p, at.Child("mode"), b.Mode, v1alpha1.Observed, v1alpha1.Managed)
	p.active(at.Child("active"), s)
	if b.HeadroomPercent != nil {
		p.within(at.Child("headroomPercent"), *b.HeadroomPercent, 0, 100)
	}
	p.hold(at.Child("timeout"), b.Timeout, "no time that a workload may take")
	p.hold(at.Child("soak"), b.Soak, "no time to soak")
	oneOf(p, at.Child("retire"), b.Retire, v1alpha1.ScaleToZero, v1alpha1.Keep)
}

// active checks which of two workloads is asked for.
func (p *problems) active(at *field.Path, s *v1alpha1.AutoscalingPolicySpec) {
	b := s.BlueGreen
	if b.Active == "" || !p.atMost(at, b.Active, 253) {
		return
	}
	if b.Mode != v1alpha1.Managed {
		p.refuse(at, "active is for mode Managed", "leave it out: with Observed whoever switches changes the selector of the Service")
	}
	if b.Active != s.TargetRef.Name && b.Active != b.OtherRef.Name {
		p.refusef(at, fmt.Sprintf("give %s or %s", s.TargetRef.Name, b.OtherRef.Name), "active is %s, which is neither of the two workloads", b.Active)
	}
}
