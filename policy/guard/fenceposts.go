package guard

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// rolling are the bounds of a rolling update at a size, in pods.
type rolling struct {
	surge, unavailable int32
}

// fenceposts resolves the bounds of a Deployment's rolling update at a size, with the API
// server's defaults of 25 %, as ResolveFenceposts does
// (pkg/controller/deployment/util/deployment_util.go:883). False for a Deployment of the
// strategy Recreate, and where a bound is neither a number nor a percentage.
func fenceposts(d *appsv1.Deployment, size int32) (rolling, bool) {
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return rolling{}, false
	}
	quarter := intstr.FromString("25%")
	surge, unavailable := &quarter, &quarter
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		if r.MaxSurge != nil {
			surge = r.MaxSurge
		}
		if r.MaxUnavailable != nil {
			unavailable = r.MaxUnavailable
		}
	}
	up, err := intstr.GetScaledValueFromIntOrPercent(surge, int(size), true)
	if err != nil {
		return rolling{}, false
	}
	down, err := intstr.GetScaledValueFromIntOrPercent(unavailable, int(size), false)
	if err != nil {
		return rolling{}, false
	}
	if up == 0 && down == 0 {
		down = 1
	}
	return rolling{surge: int32(up), unavailable: int32(down)}, true
}

// surge is how many pods more than its size a workload may have in a release.
func (t *workload) surge(size int32) int32 {
	if t.deployment == nil {
		return 0 // StatefulSets replace pods in their places; of others it is not known
	}
	r, _ := fenceposts(t.deployment, size)
	return r.surge
}
