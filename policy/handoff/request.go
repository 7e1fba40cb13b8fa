package handoff

import (
	"time"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// RequestAnnotation on a policy asks once more for a switch that was given up, with any
// new value.
const RequestAnnotation = "loadline.dev/switch"

// Defaults of the schema.
const (
	defaultTimeout  = 10 * time.Minute
	defaultSoak     = 10 * time.Minute
	defaultHeadroom = 10
)

// Request is what a policy asks for, so that what was carried out, or given up, is not
// begun again.
func Request(p *v1alpha1.AutoscalingPolicy) string {
	if p.Spec.BlueGreen == nil || p.Spec.BlueGreen.Active == "" {
		return ""
	}
	if again := p.Annotations[RequestAnnotation]; again != "" {
		return p.Spec.BlueGreen.Active + " " + again
	}
	return p.Spec.BlueGreen.Active
}

// NeedsChecks says whether the next step of a policy may need World.Checks.
func NeedsChecks(p *v1alpha1.AutoscalingPolicy) bool {
	if p.Spec.BlueGreen == nil || p.Spec.BlueGreen.Mode != v1alpha1.Managed {
		return false
	}
	s := p.Status.BlueGreen
	if s == nil {
		return false // the first step only finds out which one serves
	}
	if w := s.Managing(); w != nil {
		return w.Phase != v1alpha1.Soaking
	}
	return Request(p) != s.Handled
}

func (s *step) timeout() time.Duration {
	if s.spec.Timeout == nil {
		return defaultTimeout
	}
	return s.spec.Timeout.Duration
}

func (s *step) soakTime() time.Duration {
	if s.spec.Soak == nil {
		return defaultSoak
	}
	return s.spec.Soak.Duration
}

// headroom is a size with the room that the spec asks for, rounded up.
func (s *step) headroom(size int32) int32 {
	percent := int64(defaultHeadroom)
	if s.spec.HeadroomPercent != nil {
		percent = int64(*s.spec.HeadroomPercent)
	}
	return int32((int64(size)*(100+percent) + 99) / 100)
}
