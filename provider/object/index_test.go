package object

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func object(namespace, name string, pairs ...string) *metav1.PartialObjectMetadata {
	set := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		set[pairs[i]] = pairs[i+1]
	}
	return &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: set},
	}
}

func terminating(o *metav1.PartialObjectMetadata) *metav1.PartialObjectMetadata {
	out := o.DeepCopy()
	out.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	return out
}

func TestIndex(t *testing.T) {
	add := func(o any) func(*index) error { return func(x *index) error { return x.Add(o) } }
	update := func(o any) func(*index) error { return func(x *index) error { return x.Update(o) } }
	remove := func(o any) func(*index) error { return func(x *index) error { return x.Delete(o) } }
	replace := func(o ...any) func(*index) error { return func(x *index) error { return x.Replace(o, "1") } }
	p1, p2 := object("a", "p1", "app", "web"), object("a", "p2", "app", "web")
	for name, tc := range map[string]struct {
		steps []func(*index) error
		want  []string // names in namespace a with app=web
		held  int
	}{
		"nothing":                      {},
		"sorted":                       {[]func(*index) error{add(p2), add(p1)}, []string{"p1", "p2"}, 2},
		"other namespace":              {[]func(*index) error{add(p1), add(object("b", "p9", "app", "web"))}, []string{"p1"}, 2},
		"other label":                  {[]func(*index) error{add(p1), add(object("a", "p9", "app", "db"))}, []string{"p1"}, 2},
		"terminating from the start":   {[]func(*index) error{add(terminating(p1)), add(p2)}, []string{"p2"}, 1},
		"terminating later":            {[]func(*index) error{add(p1), add(p2), update(terminating(p1))}, []string{"p2"}, 1},
		"deleted":                      {[]func(*index) error{add(p1), add(p2), remove(p2)}, []string{"p1"}, 1},
		"deleted, unknown":             {[]func(*index) error{add(p1), remove(p2), remove(object("z", "z"))}, []string{"p1"}, 1},
		"the last one deleted":         {[]func(*index) error{add(p1), remove(p1)}, nil, 0},
		"the last one, and back again": {[]func(*index) error{add(p1), remove(p1), add(p1)}, []string{"p1"}, 1},
		"label changed away":           {[]func(*index) error{add(p1), add(p2), update(object("a", "p1", "app", "db"))}, []string{"p2"}, 2},
		"label changed to":             {[]func(*index) error{add(object("a", "p1", "app", "db")), add(p2), update(p1)}, []string{"p1", "p2"}, 2},
		"labels dropped":               {[]func(*index) error{add(p1), add(p2), update(object("a", "p1"))}, []string{"p2"}, 2},
		"replaced":                     {[]func(*index) error{add(p1), replace(p2, terminating(p1), object("b", "p9"))}, []string{"p2"}, 2},
		"replaced by nothing":          {[]func(*index) error{add(p1), replace()}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			x := newIndex()
			web := labels.SelectorFromSet(labels.Set{"app": "web"})
			for _, step := range tc.steps {
				// Asking between the steps fills the memory that a step must reset.
				x.names("a", web, web.String())
				if err := step(x); err != nil {
					t.Fatal(err)
				}
			}
			for _, try := range []string{"computed", "remembered"} {
				got := x.names("a", web, web.String())
				if len(got) == 0 {
					got = nil
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", try, diff)
				}
			}
			if x.count() != tc.held {
				t.Errorf("holds %d, want %d", x.count(), tc.held)
			}
			for _, n := range tc.want {
				if !x.has("a", n) {
					t.Errorf("has no %s", n)
				}
			}
			if x.has("a", "p0") || x.has("z", "p1") {
				t.Error("has what it has not")
			}
		})
	}
}

func TestIndexRefusesWhatIsNoObject(t *testing.T) {
	x := newIndex()
	if err := x.Add(object("a", "p1")); err != nil {
		t.Fatal(err)
	}
	if err := x.Replace([]any{object("a", "p2"), "nonsense"}, "1"); err == nil {
		t.Error("no error")
	}
	if !x.has("a", "p1") || x.has("a", "p2") {
		t.Error("a refused list changed the index")
	}
}

func TestIndexRemembersBoundedly(t *testing.T) {
	x := newIndex()
	if err := x.Add(object("a", "p1")); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * maxMatches {
		if got := x.names("a", labels.Everything(), string(rune(i))); len(got) != 1 {
			t.Fatalf("got %v", got)
		}
	}
	if n := len(x.namespaces["a"].matches); n > maxMatches {
		t.Errorf("remembers %d selectors", n)
	}
}

// Two who ask the same at the same time both find nothing remembered: it is counted
// once all the same, or the count would grow until nothing is remembered any more.
func TestIndexCountsWhatItRemembersOnce(t *testing.T) {
	x := newIndex()
	if err := x.Add(object("a", "p1")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := x.match("a", labels.Everything(), ""); !cmp.Equal(got, []string{"p1"}) {
			t.Errorf("got %v", got)
		}
	}
	if x.remembered != 1 {
		t.Errorf("counts %d names, remembers 1", x.remembered)
	}
}

// The names in all results together are bounded, and what changes frees them.
func TestIndexRemembersBoundedlyManyNames(t *testing.T) {
	const objects, most = 50, 1000
	x := newIndex()
	x.most = most
	for _, ns := range []string{"a", "b"} {
		for i := range objects {
			if err := x.Add(object(ns, strconv.Itoa(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	held := func() int {
		sum := 0
		for _, n := range x.namespaces {
			for _, names := range n.matches {
				sum += len(names)
			}
		}
		return sum
	}
	for i := range most/objects + 10 {
		for _, ns := range []string{"a", "b"} {
			if got := x.names(ns, labels.Everything(), strconv.Itoa(i)); len(got) != objects {
				t.Fatalf("%d names", len(got))
			}
		}
	}
	if n := held(); n != most || n != x.remembered {
		t.Errorf("remembers %d names and counts %d, want %d", n, x.remembered, most)
	}
	if err := x.Add(object("a", "another")); err != nil {
		t.Fatal(err)
	}
	if n := held(); n == 0 || n == most || n != x.remembered {
		t.Errorf("after a change of one namespace: remembers %d names and counts %d", n, x.remembered)
	}
	if err := x.Replace(nil, "1"); err != nil || x.remembered != 0 {
		t.Errorf("after a relist: counts %d, %v", x.remembered, err)
	}
}
