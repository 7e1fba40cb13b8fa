package cli

import (
	"fmt"
	"io"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"
)

// table prints rows below each other, at once or as they change. Its columns stay where
// they were.
type table struct {
	to         io.Writer
	cells      interface{ Flush() error }
	out        io.Writer
	namespaces bool
	begun      bool
}

func newTable(to io.Writer, namespaces bool) *table {
	w := printers.GetNewTabWriter(to)
	return &table{to: to, cells: w, out: w, namespaces: namespaces}
}

// print prints rows and, below them, what is remarkable about each.
func (t *table) print(rows []row) error {
	if !t.begun {
		t.begun = true
		t.line("NAMESPACE", header())
	}
	for _, r := range rows {
		t.line(r.Namespace, r.cells())
	}
	if err := t.cells.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		for _, m := range r.Remarks {
			name := r.Name
			if t.namespaces {
				name = r.Namespace + "/" + name
			}
			fmt.Fprintf(t.to, "  %s: %s: %s\n", name, m.Type, printers.EscapeTerminal(oneLine(m.Message)))
		}
	}
	return nil
}

func (t *table) line(namespace string, cells []string) {
	if t.namespaces {
		cells = append([]string{namespace}, cells...)
	}
	for i, c := range cells {
		cells[i] = printers.EscapeTerminal(oneLine(c))
	}
	fmt.Fprintln(t.out, strings.Join(cells, "\t"))
}
