package decide

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Two objectives of one name would be one series of a metric twice, which takes all of
// /metrics away.
func TestObjectivesAreNamedDifferently(t *testing.T) {
	external := func(name string) v1alpha1.Objective {
		return v1alpha1.Objective{External: &v1alpha1.External{Metric: name}}
	}
	got := objectives([]v1alpha1.Objective{
		external("depth"), {Queue: &v1alpha1.Queue{}}, external("depth"), external("age"), {Queue: &v1alpha1.Queue{}}, {CPU: &v1alpha1.Resource{}},
	})
	if diff := cmp.Diff([]string{"external depth #1", "queue #2", "external depth #3", "external age", "queue #5", "cpu"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestNumber(t *testing.T) {
	for text, want := range map[string]string{
		"3687m": "3.687", "42500m": "42.5", "42": "42", "1500": "1500", "1Gi": "1Gi", "100u": "0.001", "0": "0",
	} {
		q := resource.MustParse(text)
		if got, _ := number(&q); got != want {
			t.Errorf("%s is written %s, want %s", text, got, want)
		}
	}
	if got, _ := number(nil); got != "" {
		t.Errorf("nothing is written %s", got)
	}
}
