package eval_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source"
)

// An evaluation asks for the objects of what is wanted by name, as for those of what is
// wanted by selector: so their kind is listed before the first read, and stays listed. What
// the source says of one that is not live is not asked.
func TestObjectsWantedByNameAreLookedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		f.source.set(func(context.Context, string) (source.Answer, error) {
			return source.Answer{Samples: []source.Sample{{Labels: promlabels.FromStrings("pod", "p1"), Value: 1}}}, nil
		})
		live, gone := pods("a", ""), pods("a", "")
		live.Name, gone.Name = "p1", "p9"
		f.Evaluate(t.Context(), []metric.Identifier{live, gone})
		if diff := cmp.Diff([]string{`sum(requests{namespace="a",pod="p1"}) by (pod)`}, f.source.take()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if s := f.store.Get(live); s == nil || s.Err != nil || len(s.Data.Objects) != 1 {
			t.Errorf("the live one: %+v", s)
		}
		if s := f.store.Get(gone); s == nil || s.Err != nil || len(s.Data.Objects) != 0 {
			t.Errorf("the one that is not: %+v", s)
		}
	})
}

// forbidden is a kind that RBAC does not let us list.
type forbidden struct{}

func (forbidden) Count(schema.GroupResource, string) (int, bool) { return 0, false }

func (forbidden) Names(context.Context, schema.GroupResource, string, labels.Selector, string) ([]string, error) {
	return nil, metric.Errorf(metric.Forbidden, "add a ClusterRole")
}

func (forbidden) Has(context.Context, schema.GroupResource, string, string) (bool, error) {
	return true, nil
}

// Of a kind that may not be listed, what is named is asked about, as by prometheus-adapter,
// and what a selector chooses is not.
func TestObjectsOfAForbiddenKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupWith(t, func(o *eval.Options) { o.Objects = forbidden{} })
		f.source.set(func(context.Context, string) (source.Answer, error) {
			return source.Answer{Samples: []source.Sample{{Labels: promlabels.FromStrings("pod", "p1"), Value: 1}}}, nil
		})
		byName := pods("a", "")
		byName.Name = "p1"
		f.Evaluate(t.Context(), []metric.Identifier{byName, pods("a", "")})
		if got := f.reason(byName) + " " + f.reason(pods("a", "")); got != "ok forbidden" {
			t.Errorf("got %q", got)
		}
		if diff := cmp.Diff([]string{`sum(requests{namespace="a",pod="p1"}) by (pod)`}, f.source.take()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
