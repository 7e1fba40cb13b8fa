package decide

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
)

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
