package floor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func wrote(manager, subresource string, at time.Time) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, Subresource: subresource, Time: ptr.To(metav1.NewTime(at)),
		FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:maxReplicas":{}}}`),
	}
}

func TestSeen(t *testing.T) {
	const period = 15 * time.Second
	able := says(autoscalingv2.AbleToScale, corev1.ConditionTrue, "SucceededGetScale")
	numbered := func(seen *int64) *autoscalingv2.HorizontalPodAutoscaler {
		h := hpaWith(nil, nil, able)
		h.Status.ObservedGeneration = seen
		return h
	}
	// before is an HPA of Kubernetes before 1.37.
	before := func(fields ...metav1.ManagedFieldsEntry) *autoscalingv2.HorizontalPodAutoscaler {
		h := hpaWith(nil, nil, able)
		h.Generation, h.Status.ObservedGeneration, h.ManagedFields = 0, nil, fields
		return h
	}
	// mixed is one of an API server of 1.37 and a controller of before.
	mixed := func(fields ...metav1.ManagedFieldsEntry) *autoscalingv2.HorizontalPodAutoscaler {
		h := before(fields...)
		h.Generation = 3
		return h
	}
	unseen := mixed(wrote("ours", "", at))
	unseen.Status.Conditions = nil
	fresh := before(wrote("ours", "", at))
	fresh.Status.Conditions = nil
	type answer struct {
		Seen  bool
		Until time.Time
	}
	for name, tt := range map[string]struct {
		live  *autoscalingv2.HorizontalPodAutoscaler
		after time.Duration // of the write
		want  answer
	}{
		"this generation":                    {numbered(ptr.To[int64](3)), 0, answer{Seen: true}},
		"an older one":                       {numbered(ptr.To[int64](2)), time.Hour, answer{}},
		"none, by a controller of before":    {mixed(wrote("ours", "", at), wrote("kcm", "status", at.Add(time.Second))), time.Second, answer{Seen: true}},
		"none, and just written":             {mixed(wrote("kcm", "status", at.Add(-time.Minute)), wrote("ours", "", at)), time.Second, answer{Until: at.Add(2 * period)}},
		"none, and never looked at":          {unseen, time.Hour, answer{}},
		"before 1.37: just written":          {before(wrote("kcm", "status", at.Add(-time.Minute)), wrote("ours", "", at)), time.Second, answer{Until: at.Add(2 * period)}},
		"before 1.37: in the same second":    {before(wrote("kcm", "status", at), wrote("ours", "", at)), time.Second, answer{Until: at.Add(2 * period)}},
		"before 1.37: a status since":        {before(wrote("ours", "", at), wrote("kcm", "status", at.Add(time.Second))), time.Second, answer{Seen: true}},
		"before 1.37: by the last of two":    {before(wrote("ours", "", at), wrote("kubectl", "", at.Add(2*time.Second)), wrote("kcm", "status", at.Add(time.Second))), 3 * time.Second, answer{Until: at.Add(2*time.Second + 2*period)}},
		"before 1.37: nothing to say since":  {before(wrote("kcm", "status", at.Add(-time.Minute)), wrote("ours", "", at)), 2 * period, answer{Seen: true}},
		"before 1.37: never looked at":       {fresh, time.Hour, answer{}},
		"before 1.37: no times":              {before(), 0, answer{Seen: true}},
		"before 1.37: a clock that is ahead": {before(wrote("ours", "", at)), -time.Hour, answer{Seen: true}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, stripped := range []bool{false, true} {
				h := tt.live.DeepCopy()
				if stripped {
					if _, err := Strip(h); err != nil {
						t.Fatal(err)
					}
				}
				var got answer
				got.Seen, got.Until = Seen(h, at.Add(tt.after), period)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("stripped %t: %s", stripped, diff)
				}
			}
		})
	}
}

// A cache keeps no more of managedFields than that.
func TestStrip(t *testing.T) {
	h := hpaWith(nil, nil)
	h.Generation = 0
	h.ManagedFields = []metav1.ManagedFieldsEntry{wrote("a", "", at), wrote("b", "", at.Add(time.Second)), wrote("c", "scale", at.Add(time.Hour))}
	for range 2 {
		if _, err := Strip(h); err != nil {
			t.Fatal(err)
		}
		want := []metav1.ManagedFieldsEntry{{Time: ptr.To(metav1.NewTime(at.Add(time.Second)))}}
		if diff := cmp.Diff(want, h.ManagedFields); diff != "" {
			t.Error(diff)
		}
	}
	h.Generation = 1
	if _, err := Strip(h); err != nil || h.ManagedFields != nil {
		t.Errorf("where generations tell: %v, %v", h.ManagedFields, err)
	}
}
