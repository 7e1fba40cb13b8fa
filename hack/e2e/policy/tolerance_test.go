//go:build e2e

package policy

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/hack/e2e/suite"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
)

// tolerance has a policy with a tolerance get an HPA that has it. Where the API server
// drops the field without a word, the policy says so, and nobody writes it again and again.
func tolerance(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	m.of(ns).value.Store(15)
	sized(t, ns, "web", 2)
	// HPAConfigurableTolerance graduated with 1.37, whose API server need not name it.
	kept := system.Minor(t) >= 37 || system.Gate(t, suite.Tolerance)
	t.Logf("Kubernetes 1.%d keeps a tolerance: %t", system.Minor(t), kept)
	create(t, newPolicy(ns, "web", external, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Behavior.ScaleDown.Tolerance = ptr.To(resource.MustParse("0.2"))
	}))
	ready(t, ns, "web", decide.Applied, 2*hpaSync+soon)
	p, err := getPolicy(t.Context(), ns, "web")
	must(t, err)
	const doubt = "drops it, since its feature gate HPAConfigurableTolerance is off"
	if c := condition(p, v1alpha1.Ready); strings.Contains(c, doubt) == kept {
		t.Error(c)
	}
	h, err := getHPA(t.Context(), ns, "web")
	must(t, err)
	if is := h.Spec.Behavior.ScaleDown.Tolerance; (is != nil) != kept {
		t.Errorf("the tolerance of the HPA: %v", is)
	}
	// A field that is wanted and never there must not pass for somebody else's edit.
	system.Pause(t, 3*hpaSync)
	p, err = getPolicy(t.Context(), ns, "web")
	must(t, err)
	if c := condition(p, v1alpha1.Conflict); !strings.HasPrefix(c, "Conflict=False") || p.Status.HPA == nil || len(p.Status.HPA.Rewrites) > 0 {
		t.Errorf("%s; the HPA by the policy: %+v", c, p.Status.HPA)
	}
}
