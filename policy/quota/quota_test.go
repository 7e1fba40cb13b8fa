package quota_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/quota"
)

// list makes one of names and quantities.
func list(pairs ...string) corev1.ResourceList {
	out := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		out[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return out
}

func container(requests, limits corev1.ResourceList) corev1.Container {
	return corev1.Container{Resources: corev1.ResourceRequirements{Requests: requests, Limits: limits}}
}

func limitRange(items ...corev1.LimitRangeItem) *corev1.LimitRange {
	return &corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: items}}
}

func TestPerPod(t *testing.T) {
	plain := container(list("cpu", "100m"), list("cpu", "1", "memory", "1Gi"))
	sidecar := container(list("cpu", "50m"), nil)
	sidecar.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
	defaults := []*corev1.LimitRange{
		limitRange(corev1.LimitRangeItem{Type: corev1.LimitTypePod, Max: list("cpu", "9")}),
		limitRange(corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, DefaultRequest: list("cpu", "200m"), Default: list("cpu", "2")}),
	}
	for name, tt := range map[string]struct {
		entry  string
		spec   corev1.PodSpec
		limits []*corev1.LimitRange
		want   string
	}{
		"a pod":                  {entry: "count/pods", want: "1"},
		"requests":               {entry: "requests.cpu", spec: corev1.PodSpec{Containers: []corev1.Container{plain, plain}}, want: "200m"},
		"the short name":         {entry: "cpu", spec: corev1.PodSpec{Containers: []corev1.Container{plain}}, want: "100m"},
		"limits":                 {entry: "limits.cpu", spec: corev1.PodSpec{Containers: []corev1.Container{plain}}, want: "1"},
		"a limit is a request":   {entry: "requests.memory", spec: corev1.PodSpec{Containers: []corev1.Container{plain}}, want: "1Gi"},
		"nothing":                {entry: "requests.memory", spec: corev1.PodSpec{Containers: []corev1.Container{sidecar}}, want: "0"},
		"an extended resource":   {entry: "requests.example.com/gpu", spec: corev1.PodSpec{Containers: []corev1.Container{container(list("example.com/gpu", "2"), nil)}}, want: "2"},
		"a request by default":   {entry: "cpu", spec: corev1.PodSpec{Containers: []corev1.Container{{}}}, limits: defaults, want: "200m"},
		"a limit by default":     {entry: "limits.cpu", spec: corev1.PodSpec{Containers: []corev1.Container{{}}}, limits: defaults, want: "2"},
		"a sidecar counts":       {entry: "cpu", spec: corev1.PodSpec{Containers: []corev1.Container{plain}, InitContainers: []corev1.Container{sidecar}}, want: "150m"},
		"a small init does not":  {entry: "cpu", spec: corev1.PodSpec{Containers: []corev1.Container{plain}, InitContainers: []corev1.Container{plain}}, want: "100m"},
		"a large init is all":    {entry: "cpu", spec: corev1.PodSpec{Containers: []corev1.Container{plain}, InitContainers: []corev1.Container{container(list("cpu", "3"), nil)}}, want: "3"},
		"the pod has the say":    {entry: "cpu", spec: corev1.PodSpec{Containers: []corev1.Container{plain}, Resources: &corev1.ResourceRequirements{Requests: list("cpu", "7")}}, want: "7"},
		"and of its limits, too": {entry: "limits.cpu", spec: corev1.PodSpec{Containers: []corev1.Container{plain}, Resources: &corev1.ResourceRequirements{Limits: list("cpu", "8")}}, want: "8"},
	} {
		t.Run(name, func(t *testing.T) {
			e, ok := quota.EntryOf(corev1.ResourceName(tt.entry))
			if !ok {
				t.Fatalf("%s is not about pods", tt.entry)
			}
			got := e.PerPod(tt.limits, &tt.spec)
			if diff := cmp.Diff(tt.want, got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, name := range []corev1.ResourceName{"requests.storage", "services", "count/secrets", "fast.storageclass.storage.k8s.io/requests.storage"} {
		if e, ok := quota.EntryOf(name); ok {
			t.Errorf("%s is about %s of pods", name, e)
		}
	}
}

func TestRoomFor(t *testing.T) {
	of := func(name string, hard, used corev1.ResourceList) corev1.ResourceQuota {
		return corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.ResourceQuotaStatus{Hard: hard, Used: used}}
	}
	scoped := of("scoped", list("pods", "0"), nil)
	scoped.Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}
	spec := corev1.PodSpec{Containers: []corev1.Container{container(list("cpu", "100m"), nil)}}
	for name, tt := range map[string]struct {
		quotas []corev1.ResourceQuota
		want   *quota.Room
	}{
		"no quota":                  {},
		"of something else":         {quotas: []corev1.ResourceQuota{of("a", list("secrets", "1", "requests.memory", "1Gi"), nil)}},
		"with a scope":              {quotas: []corev1.ResourceQuota{scoped}},
		"the least of all":          {[]corev1.ResourceQuota{of("a", list("cpu", "2", "pods", "9"), list("cpu", "1")), of("b", list("requests.cpu", "1"), list("requests.cpu", "750m"))}, &quota.Room{Pods: 2, Quota: "b", Entry: "requests.cpu", Left: resource.MustParse("250m"), Each: resource.MustParse("100m")}},
		"to the brim":               {[]corev1.ResourceQuota{of("a", list("cpu", "300m"), nil)}, &quota.Room{Pods: 3, Quota: "a", Entry: "cpu", Left: resource.MustParse("300m"), Each: resource.MustParse("100m")}},
		"more than there is in use": {[]corev1.ResourceQuota{of("a", list("pods", "2"), list("pods", "3"))}, &quota.Room{Quota: "a", Entry: "pods", Left: resource.MustParse("-1"), Each: resource.MustParse("1")}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, quota.RoomFor(tt.quotas, nil, &spec)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
