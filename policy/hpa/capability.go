package hpa

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/version"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Capabilities are what the HPAs of a cluster can do, by its version and its feature
// gates.
type Capabilities struct {
	// Version of the API server, for messages.
	Version version.Info
	// ScaleToZero: minReplicas may be 0 (feature gate HPAScaleToZero).
	ScaleToZero bool
	// Tolerance: behavior.*.tolerance is kept (feature gate HPAConfigurableTolerance);
	// where it is not, the API server drops the field without a word.
	Tolerance bool
	// StrandsAtZero: the HPA controller does not know the condition ScaledToZero, as before
	// 1.37: a minimum that is raised does not wake a target at 0, but switches its HPA off for
	// as long as it is above 0. It goes by the version, for nothing that could be tried tells.
	StrandsAtZero bool
	// ContainerResource: a metric may be that of one container.
	ContainerResource bool
	// Probed is when the API server was asked; zero if all this is only assumed.
	Probed time.Time
}

// Known says whether this is more than that nobody has found out yet.
func (c Capabilities) Known() bool { return c.Version.GitVersion != "" || !c.Probed.IsZero() }

// Assume returns what a cluster of a version can do if nobody changed its feature
// gates. The version is MAJOR.MINOR, such as 1.37 or v1.37.2; it is an error if it is
// something else. The gates' defaults are those of pkg/features/kube_features.go.
func Assume(kubernetes string) (Capabilities, error) {
	minor, err := minorOf(kubernetes)
	if err != nil {
		return Capabilities{}, err
	}
	parts := strings.SplitN(strings.TrimPrefix(kubernetes, "v"), ".", 3)
	return Capabilities{
		Version:           version.Info{Major: parts[0], Minor: parts[1], GitVersion: "v" + strings.TrimPrefix(kubernetes, "v")},
		ScaleToZero:       minor >= 37, // beta and on
		StrandsAtZero:     minor < 37,
		Tolerance:         minor >= 35, // beta and on
		ContainerResource: minor >= 30, // GA
	}, nil
}

// minorOf is the minor of a version such as v1.37.2.
func minorOf(kubernetes string) (uint64, error) {
	parts := strings.SplitN(strings.TrimPrefix(kubernetes, "v"), ".", 3)
	if len(parts) < 2 {
		return 0, fmt.Errorf("%q is no version of Kubernetes: give one such as 1.37", kubernetes)
	}
	major, err := strconv.ParseUint(parts[0], 10, 8)
	if err != nil || major != 1 {
		return 0, fmt.Errorf("%q is no version of Kubernetes: give one such as 1.37", kubernetes)
	}
	// Some providers write 1.37+.
	minor, err := strconv.ParseUint(strings.TrimSuffix(parts[1], "+"), 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no version of Kubernetes: give one such as 1.37", kubernetes)
	}
	return minor, nil
}

// Of returns what was found by trying, with what only the version tells.
func (c Capabilities) Of(v version.Info) Capabilities {
	c.Version = v
	if minor, err := minorOf(v.GitVersion); err == nil {
		c.StrandsAtZero = minor < 37
	}
	return c
}

// cluster names the API server in a message.
func (c Capabilities) cluster() string {
	if c.Version.GitVersion == "" {
		return "this cluster"
	}
	return "this cluster (" + c.Version.GitVersion + ")"
}

// RefusesZero says whether it is min 0, or what the policy wants besides, that the cluster
// has no HPA for.
func (c Capabilities) RefusesZero(policy *v1alpha1.AutoscalingPolicy) bool {
	s := &policy.Spec
	return s.Replicas.Min == 0 && (!c.ScaleToZero || c.StrandsAtZero && (len(s.Schedules) > 0 || s.Fallback != nil))
}

// unsupported returns what a cluster refuses or drops of p.
func unsupported(policy *v1alpha1.AutoscalingPolicy, c Capabilities) []Problem {
	var p problems
	spec := field.NewPath("spec")
	if policy.Spec.Replicas.Min == 0 && !c.ScaleToZero {
		p.refusef(spec.Child("replicas", "min"), "give min 1", "%s refuses min 0, since its feature gate HPAScaleToZero is off", c.cluster())
	}
	if policy.Spec.Replicas.Min == 0 && c.ScaleToZero && c.StrandsAtZero {
		for _, one := range []struct {
			name string
			set  bool
		}{{"schedules", len(policy.Spec.Schedules) > 0}, {"fallback", policy.Spec.Fallback != nil}} {
			if one.set {
				p.refusef(spec.Child(one.name), "give min 1, or leave "+one.name+" out",
					"on %s a minimum above 0 leaves a target that is at 0 there, and switches its HPA off: with min 0 that takes Kubernetes 1.37", c.cluster())
			}
		}
	}
	for i, o := range policy.Spec.Objectives {
		at := spec.Child("objectives").Index(i)
		for _, one := range []struct {
			name string
			of   *v1alpha1.Resource
		}{{"cpu", o.CPU}, {"memory", o.Memory}} {
			if one.of != nil && one.of.Container != "" && !c.ContainerResource {
				p.refusef(at.Child(one.name, "container"), "leave container out, or use Kubernetes 1.30 or later",
					"%s does not know metrics of one container", c.cluster())
			}
		}
	}
	if b := policy.Spec.Behavior; b != nil && !c.Tolerance {
		at := spec.Child("behavior")
		for _, one := range []struct {
			name  string
			rules *autoscalingv2.HPAScalingRules
		}{{"scaleUp", b.ScaleUp}, {"scaleDown", b.ScaleDown}} {
			if one.rules != nil && one.rules.Tolerance != nil {
				p.warnf(at.Child(one.name, "tolerance"), "", "%s drops it, since its feature gate HPAConfigurableTolerance is off", c.cluster())
			}
		}
	}
	return p
}
