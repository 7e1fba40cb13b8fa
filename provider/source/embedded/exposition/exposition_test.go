package exposition

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// kept are the names that tests want.
func kept(name []byte) bool { return string(name) == "want" || string(name) == "wanted_total" }

func strip(text string, size, unclear int) (string, error) {
	var b bytes.Buffer
	err := Strip(&b, bufio.NewReaderSize(strings.NewReader(text), size), kept, unclear)
	return b.String(), err
}

func TestStrip(t *testing.T) {
	long := strings.Repeat("x", 40)
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":                       {"", ""},
		"samples":                       {"a 1\nwant 2\nwant{a=\"b\"} 3 4\nb{c=\"d\"} 5\n", "want 2\nwant{a=\"b\"} 3 4\n"},
		"a last line that does not end": {"a 1\nwant 2", "want 2"},
		"names that begin alike":        {"wan 1\nwants 2\nwant_total 3\nWant 4\n", ""},
		"what else follows a name":      {"want\t1\nwant+Inf\na\t1\na+Inf\n", "want\t1\nwant+Inf\n"},
		"comments":                      {"# HELP want it's \"fine\nwant 1\n# anything\n#\n", "want 1\n"},
		"empty lines":                   {"\nwant 1\n\n", "want 1\n"},
		"types of what is kept":         {"# TYPE a counter\na 1\n# TYPE want gauge\nwant 1\nwant{b=\"c\"} 2\n", "# TYPE want gauge\nwant 1\nwant{b=\"c\"} 2\n"},
		"a type by the family's name":   {"# TYPE wanted counter\nwanted_total 1\nwanted_created 2\n# EOF\n", "# TYPE wanted counter\nwanted_total 1\n# EOF\n"},
		"a quoted name":                 {"{\"a.b\"} 1\n{ \"want\" , a=\"b\"} 2\n{\"want\"} 3\n", "{ \"want\" , a=\"b\"} 2\n{\"want\"} 3\n"},
		"a quoted name that is unclear": {"{a=\"b\",\"c\"} 1\n{\"a\\\"b\"} 1\n{\"a\"=\"b\"} 1\n", "{a=\"b\",\"c\"} 1\n{\"a\\\"b\"} 1\n{\"a\"=\"b\"} 1\n"},
		"no exposition":                 {"<html>\nwords 1\n 5\n", "<html>\n 5\n"},
		"a break in a label of ours":    {"want{a=\"x\ny 1\"} 2\na 1\n", "want{a=\"x\ny 1\"} 2\n"},
		"a break in another's":          {"a{b=\"x\nwant 1\\\"\"} 2\na 1\nwant 3\n", "a{b=\"x\nwant 1\\\"\"} 2\nwant 3\n"},
		"long lines":                    {"a{b=\"" + long + "\"} 1\nwant{b=\"" + long + "\\\"\"} 2\n# " + long + "\"\nwant 1\n", "want{b=\"" + long + "\\\"\"} 2\nwant 1\n"},
		"a type of another":             {"# TYPE a histogram\na 1\nwant{le=\"1\"} 1\nwant{le=\"2\"} 1\n", "# TYPE a histogram\nwant{le=\"1\"} 1\nwant{le=\"2\"} 1\n"},
		"a type of what is unclear":     {"# TYPE want histogram\n{le=\"1\",\"want\"} 1\n", "# TYPE want histogram\n{le=\"1\",\"want\"} 1\n"},
		"no type":                       {"# TYPE want histogram\n#TYPE want gauge\nwant{le=\"1\"} 1\n", "# TYPE want histogram\nwant{le=\"1\"} 1\n"},
		"no names in comments":          {"#HELP \"a\n# it \"is\n # \"fine\n\t\n#\"\na 1\nwant 1\n", "want 1\n"},
		"a long end":                    {"# EOF" + long + "\"\na 1\nwant 1\n", "want 1\n"},
		"a long type":                   {"# TYPE want " + long + "\nwant 1\n", "# TYPE want " + long + "\nwant 1\n"},
		"a name that is too long":       {"a" + long + " 1\nwant 1\n", "a" + long + " 1\nwant 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := strip(tc.text, 32, 10)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStripFails(t *testing.T) {
	if _, err := strip("?\n?\n?\n", 32, 2); !errors.Is(err, ErrUnclear) {
		t.Errorf("three lines that are unclear: %v", err)
	}
	for _, open := range []string{"# HELP \"\n", "?\"\n", "a{b=\"\n", "want{a=\"\n", "{a=\"" + strings.Repeat("x", 40) + "\n"} {
		if _, err := strip(open+"a 1\nb 2\nc 3\nd 4\n", 32, 3); !errors.Is(err, ErrUnclear) {
			t.Errorf("four lines that may belong to %q: %v", open, err)
		}
	}
	if _, err := strip("?\n?\nwant 1\n", 32, 2); err != nil {
		t.Errorf("two lines that are unclear: %v", err)
	}
	if _, err := strip("a{b=\""+strings.Repeat("x", 40)+"\n\"} 1\nwant 1\n", 32, 2); err == nil {
		t.Error("what goes on behind a long line is not what it seems to be")
	}
	broken := bufio.NewReader(io.MultiReader(strings.NewReader("want 1\n"), iotest.ErrReader(errors.New("reset"))))
	if err := Strip(&bytes.Buffer{}, broken, kept, 2); err == nil || err.Error() != "reset" {
		t.Errorf("a source that fails: %v", err)
	}
}

// parse is what Prometheus reads of an exposition, and whether it takes all of it.
func parse(text, contentType string) (samples []string, ok bool) {
	p, err := textparse.New([]byte(text), contentType, labels.NewSymbolTable(), textparse.ParserOptions{FallbackContentType: "text/plain"})
	if p == nil {
		return nil, err == nil
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return samples, true
		}
		if err != nil {
			return samples, false
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var of labels.Labels
		p.Labels(&of)
		if !kept([]byte(of.Get(model.MetricNameLabel))) {
			continue
		}
		_, at, value := p.Series()
		stamp := "now"
		if at != nil {
			stamp = fmt.Sprint(*at)
		}
		samples = append(samples, fmt.Sprintf("%s %x %s", of, value, stamp))
	}
}

// Whatever is exported that Prometheus can read: of what is stripped it reads the same samples
// of what is wanted.
func FuzzStrip(f *testing.F) {
	for _, text := range []string{
		"a 1\nwant 2\n", "# TYPE want counter\n# HELP want \"x\nwant{a=\"b\"} NaN 5\n", "want{a=\"x\ny\"} 2\na{b=\"\nwant 1\n\"} 1\n",
		"# TYPE wanted counter\n# UNIT wanted s\nwanted_total{a=\"b\"} 1 # {t=\"x\"} 1 1\nwanted_created 1\n# EOF\n",
		"{\"want\",a=\"b\"} 1\n{\"a.b\"} 1\n# HELP \"a\nwant 1\n\" x\nwant 2\n", " want 1\n\twant 2\n# TYPE want\nwant 3\n", "want{\"a\"} 1\n",
		"# TYPE want histogram\nwant_bucket{le=\"1\"} 1\nwant_sum 1\nwant 1\n", "a{b=\"\\\"} 1\nwant 1\n\"} 2\n",
		"# TYPE a histogram\nwant{le=\"1\"} 1\n", "# TYPE want histogram\n{le=\"1\",\"want\"} 1\n", "# TYPE want summary\n#TYPE want gauge\nwant{quantile=\"1\"} 1\n",
		"#x \"\nwant{b=\"\nb 1\n\"} 2\n", " # \"\nwant{b=\"\nb 1\n\"} 2\n",
	} {
		f.Add(text, false, uint8(0))
		f.Add(text, true, uint8(20))
	}
	f.Fuzz(func(t *testing.T, text string, open bool, size uint8) {
		if strings.ContainsRune(text, 0) {
			return // an end to the parser, wherever it is outside of quotations
		}
		contentType := "text/plain; version=0.0.4"
		if open {
			contentType = "application/openmetrics-text; version=1.0.0"
		}
		want, ok := parse(text, contentType)
		stripped, err := strip(text, 16+int(size), len(text))
		if !ok || err != nil {
			return
		}
		if got, ok := parse(stripped, contentType); !ok || !cmp.Equal(want, got) {
			t.Errorf("of %q, stripped %q, is read (%t): %s", text, stripped, ok, cmp.Diff(want, got))
		}
	})
}

func BenchmarkStrip(b *testing.B) {
	var text strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, "# HELP metric_%d Some help for it.\n# TYPE metric_%d counter\nmetric_%d{code=\"200\",method=\"GET\"} %d\n", i, i, i, i)
	}
	all := text.String()
	var dst bytes.Buffer
	src := bufio.NewReaderSize(nil, 16<<10)
	b.SetBytes(int64(len(all)))
	b.ReportAllocs()
	for b.Loop() {
		dst.Reset()
		src.Reset(strings.NewReader(all))
		if err := Strip(&dst, src, kept, 0); err != nil {
			b.Fatal(err)
		}
	}
}
