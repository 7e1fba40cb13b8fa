package prometheus

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/loadline/loadline/provider/source"
)

// TestQueryAtMost: the first samples of an answer that does not end are returned, and
// an answer that has no more is what Query gives.
func TestQueryAtMost(t *testing.T) {
	const sample = `{"metric":{"pod":"%d"},"value":[1,"%d"]}`
	for name, test := range map[string]struct {
		has, most, want int
		endless         bool
	}{
		"fewer":                {1, 2, 1, false},
		"as many":              {2, 2, 2, false},
		"none":                 {0, 2, 0, false},
		"more":                 {3, 2, 2, false},
		"more than the limits": {100, 2, 2, false},
		"without an end":       {3, 2, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Config{MaxValues: 50}, func(w http.ResponseWriter, r *http.Request) {
				var parts []string
				for i := range test.has {
					parts = append(parts, fmt.Sprintf(sample, i, i))
				}
				fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[`+strings.Join(parts, ","))
				if test.endless {
					fmt.Fprint(w, ","+strings.Repeat(" ", 8<<10))
					w.(http.Flusher).Flush()
					<-r.Context().Done()
					return
				}
				fmt.Fprint(w, `]}}`)
			})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			got, err := s.QueryAtMost(ctx, "x", test.most)
			if err != nil || len(got.Samples) != test.want {
				t.Errorf("%d samples, %v", len(got.Samples), err)
			}
			for i, one := range got.Samples {
				if one.Value != float64(i) {
					t.Errorf("sample %d is %v", i, one)
				}
			}
		})
	}
}

// TestQueryAtMostFails as Query does.
func TestQueryAtMostFails(t *testing.T) {
	s := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"status":"error","errorType":"execution","error":"many-to-many"}`)
	})
	if _, err := s.QueryAtMost(t.Context(), "x", 2); source.KindOf(err) != source.Rejected {
		t.Error(err)
	}
}
