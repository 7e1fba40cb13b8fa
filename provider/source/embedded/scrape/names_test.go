package scrape

import (
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

// What is remembered of names is what the filter says of them, also when there are more names
// than are remembered, and when they are too long.
func TestNames(t *testing.T) {
	long := fmt.Sprintf("x%0300d", 1)
	filter := new(wanted.Maker).Of(&rule.Set{}, nil, []string{`a{namespace="shop"}`, `b{namespace="other"}`, "c", `{__name__=~"long|` + long + `"}`})
	n := newNames()
	if n.of("shop")([]byte("a")) {
		t.Error("something is kept before anything is wanted")
	}
	n.set(filter)
	for range 2 {
		for _, namespace := range []string{"", "shop", "other", "third"} {
			of, keeper := n.of(namespace), n.keeper(namespace)
			for _, name := range []string{"a", "b", "c", "d", "long", long, long + "1"} {
				want := filter.Keep(name)
				if namespace != "" {
					want = filter.Within(namespace)(name)
				}
				if got, kept := of([]byte(name)), keeper(name); got != want || kept != want {
					t.Errorf("%s of %q: %t as it is exported, %t as it is kept, want %t", name, namespace, got, kept, want)
				}
			}
		}
		for i := range maxNames + 100 { // and once more
			n.of("shop")(fmt.Append(nil, "n", i))
		}
	}
	if d := n.now.Load(); len(d.anybodys) > maxNames || len(d.within) > maxNames {
		t.Errorf("%d and %d names are remembered", len(d.anybodys), len(d.within))
	}
	n.set(wanted.Everything())
	if n.of("shop") != nil || n.of("") != nil {
		t.Error("everything is wanted, and each name is looked at")
	}
}

// Who exports names without end has those of others forgotten no sooner than it must be.
func TestNamesOfOneScrape(t *testing.T) {
	remembers := func(n *names, name string) bool { _, ok := n.now.Load().anybodys[name]; return ok }
	n := newNames()
	n.of("shop")([]byte("a"))
	of := n.of("other")
	for i := range 2 * maxNames {
		of(fmt.Append(nil, "n", i))
	}
	n.of("shop")([]byte("b"))
	if !remembers(n, "a") || !remembers(n, "b") {
		t.Errorf("one scrape of many names leaves %d remembered, and not those of others", len(n.now.Load().anybodys))
	}
	for i := range 2 * maxNames {
		n.of("other")(fmt.Append(nil, "n", i))
	}
	n.of("shop")([]byte("c"))
	if !remembers(n, "c") {
		t.Error("when many scrapes have had many names, nothing new is remembered any more")
	}
}

func TestReason(t *testing.T) {
	for text, err := range map[string]error{
		"EOF":             errors.New("server returned HTTP status 599 EOF"),
		"HTTP status 599": errors.New("server returned HTTP status 599 HTTP status 599"),
		"a 599 b":         errors.New("a 599 b"), // which a target has said
		"too late":        &url.Error{Op: "Get", URL: "http://10.0.0.1/http/shop/metrics", Err: errors.New("too late")},
	} {
		if got := reason(err); got.Error() != text {
			t.Errorf("%q is told as %q, want %q", err, got, text)
		}
	}
}

func TestRelayed(t *testing.T) {
	for _, r := range []relayed{{"http", "shop", "/metrics"}, {"https", "", "/"}, {"http", "a-b", "/a/b/c"}} {
		if got, ok := parseRelayed(r.String()); !ok || got != r {
			t.Errorf("%q is read as %v (%t)", r, got, ok)
		}
	}
	for _, path := range []string{"", "/", "/http/shop", "/ftp/shop/metrics", "/http//metrics", "http/shop/metrics", "x/http/shop/metrics"} {
		if got, ok := parseRelayed(path); ok {
			t.Errorf("%q is read as %v", path, got)
		}
	}
}
