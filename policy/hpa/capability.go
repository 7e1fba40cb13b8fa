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
	parts := strings.SplitN(strings.TrimPrefix(kubernetes, "v"), ".", 3)
	if len(parts) < 2 {
		return Capabilities{}, fmt.Errorf("%q is no version of Kubernetes: give one such as 1.37", kubernetes)
	}
	major, err := strconv.ParseUint(parts[0], 10, 8)
	if err != nil || major != 1 {
		return Capabilities{}, fmt.Errorf("%q is no version of Kubernetes: give one such as 1.37", kubernetes)
	}
	// Some providers write 1.37+.
	minor, err := strconv.ParseUint(strings.TrimSuffix(parts[1], "+"), 10, 16)
	if err != nil {
		return Capabilities{}, fmt.Errorf("%q is no version of Kubernetes: give one such as 1.37", kubernetes)
	}
	return Capabilities{
		Version:           version.Info{Major: parts[0], Minor: parts[1], GitVersion: "v" + strings.TrimPrefix(kubernetes, "v")},
		ScaleToZero:       minor >= 37, // beta and on
		Tolerance:         minor >= 35, // beta and on
		ContainerResource: minor >= 30, // GA
	}, nil
}

// cluster names the API server in a message.
func (c Capabilities) cluster() string {
	if c.Version.GitVersion == "" {
		return "this cluster"
	}
	return "this cluster (" + c.Version.GitVersion + ")"
}

// unsupported returns what a cluster refuses or drops of p.
func unsupported(policy *v1alpha1.AutoscalingPolicy, c Capabilities) []Problem {
	var p problems
	spec := field.NewPath("spec")
	if policy.Spec.Replicas.Min == 0 && !c.ScaleToZero {
		p.refusef(spec.Child("replicas", "min"), "give min 1", "%s refuses min 0, since its feature gate HPAScaleToZero is off", c.cluster())
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
