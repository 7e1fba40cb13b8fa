package target

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNews(t *testing.T) {
	a, b, c := Refusal{Pod: "a", Reason: "x"}, Refusal{Pod: "b", Reason: "x"}, Refusal{Pod: "b", Reason: "y"}
	if diff := cmp.Diff([]Refusal{c}, News([]Refusal{a, b}, []Refusal{a, c})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// With each change of a pod all are looked through: those that are not scraped must not cost
// the square of their number.
func TestNewsOfMany(t *testing.T) {
	var many []Refusal
	for i := range 50_000 {
		many = append(many, Refusal{Namespace: "shop", Pod: fmt.Sprintf("web-%05d", i), Reason: "it declares no port"})
	}
	began := time.Now()
	if news := News(many, many); len(news) > 0 {
		t.Errorf("%d are new", len(news))
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}
