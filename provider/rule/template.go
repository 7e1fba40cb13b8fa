package rule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

const (
	// maxTemplate bounds a template's text, maxRendered what it renders to. A query
	// for some thousand objects by name is a few hundred kilobytes.
	maxTemplate = 64 << 10
	maxRendered = 4 << 20
	// maxRangeDepth bounds nested loops; each runs over the labels of one read.
	maxRangeDepth = 2
)

var errRendered = fmt.Errorf("renders to more than %d bytes", maxRendered)

// textTemplate is a Go template with the delimiters << and >> that ends: it has no
// recursion, loops over label lists only, and renders a bounded text.
type textTemplate struct {
	text   string
	parsed *template.Template
}

// parseTemplate parses text as a template called name whose data has fields.
// loops names the fields that it may range over.
func parseTemplate(name, text string, fields, loops []string) (*textTemplate, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("has %d bytes, more than the limit of %d", len(text), maxTemplate)
	}
	parsed, err := template.New(name).
		Delims("<<", ">>").
		Option("missingkey=zero"). // else a label that is not there renders as "<no value>"
		Funcs(boundedFuncs()).
		Parse(text)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	if parsed.Tree == nil {
		return nil, errors.New("is empty")
	}
	if len(parsed.Templates()) > 1 {
		return nil, errors.New("has a define or block: write the query in one piece")
	}
	if err := (&checker{fields: fields, loops: loops}).node(parsed.Root, true, 0); err != nil {
		return nil, err
	}
	return &textTemplate{text: text, parsed: parsed}, nil
}

// execute renders the template over data. It is safe for concurrent use.
func (t *textTemplate) execute(data any) (string, error) {
	var out boundedWriter
	err := t.parsed.Execute(&out, data)
	if errors.Is(err, errRendered) {
		return "", errRendered
	}
	if err != nil {
		return "", errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	return out.String(), nil
}

type boundedWriter struct{ strings.Builder }

func (w *boundedWriter) Write(p []byte) (int, error) {
	if w.Len()+len(p) > maxRendered {
		return 0, errRendered
	}
	return w.Builder.Write(p)
}

// boundedFuncs replaces the built-in functions whose result can be longer than
// their arguments: piped into each other they double a text at every step.
func boundedFuncs() template.FuncMap {
	bound := func(s string) (string, error) {
		if len(s) > maxRendered {
			return "", errRendered
		}
		return s, nil
	}
	return template.FuncMap{
		"print":    func(args ...any) (string, error) { return bound(fmt.Sprint(args...)) },
		"println":  func(args ...any) (string, error) { return bound(fmt.Sprintln(args...)) },
		"printf":   func(format string, args ...any) (string, error) { return bound(fmt.Sprintf(format, args...)) },
		"html":     func(args ...any) (string, error) { return bound(template.HTMLEscaper(args...)) },
		"js":       func(args ...any) (string, error) { return bound(template.JSEscaper(args...)) },
		"urlquery": func(args ...any) (string, error) { return bound(template.URLQueryEscaper(args...)) },
	}
}

// checker walks a parsed template. Executing it on samples is not enough: that
// leaves out the branches not taken.
type checker struct{ fields, loops []string }

// node checks one node. root says that the dot is still the template's data.
func (c *checker) node(n parse.Node, root bool, depth int) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		return each(n.Nodes, func(child parse.Node) error { return c.node(child, root, depth) })
	case *parse.ActionNode:
		return c.pipe(n.Pipe, root)
	case *parse.IfNode:
		return c.branch(&n.BranchNode, root, root, depth)
	case *parse.WithNode:
		return c.branch(&n.BranchNode, root, false, depth)
	case *parse.RangeNode:
		if !c.loopable(n.Pipe, root) {
			return fmt.Errorf("has a range over something else than %s", dotted(c.loops))
		}
		if depth++; depth > maxRangeDepth {
			return fmt.Errorf("has more than %d nested ranges", maxRangeDepth)
		}
		return c.branch(&n.BranchNode, root, false, depth)
	case *parse.TemplateNode:
		return errors.New("calls another template: write the query in one piece")
	default: // text, comment, break, continue
		return nil
	}
}

func (c *checker) branch(n *parse.BranchNode, root, rootInside bool, depth int) error {
	if err := c.pipe(n.Pipe, root); err != nil {
		return err
	}
	if err := c.node(n.List, rootInside, depth); err != nil {
		return err
	}
	return c.node(n.ElseList, root, depth)
}

func (c *checker) pipe(n *parse.PipeNode, root bool) error {
	if n == nil {
		return nil
	}
	return each(n.Cmds, func(command *parse.CommandNode) error {
		return each(command.Args, func(arg parse.Node) error { return c.arg(arg, root) })
	})
}

func (c *checker) arg(n parse.Node, root bool) error {
	switch n := n.(type) {
	case *parse.PipeNode:
		return c.pipe(n, root)
	case *parse.ChainNode:
		return c.arg(n.Node, root)
	case *parse.FieldNode:
		if root {
			return c.field(n.Ident[0])
		}
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			return c.field(n.Ident[1])
		}
	}
	return nil
}

func (c *checker) field(name string) error {
	if slices.Contains(c.fields, name) {
		return nil
	}
	return fmt.Errorf("uses the unknown variable .%s: known are %s", name, dotted(c.fields))
}

// loopable: only these lists are known to be short. A number can be ranged over
// too, and would run for as long as it says without rendering anything.
func (c *checker) loopable(n *parse.PipeNode, root bool) bool {
	if len(n.Cmds) != 1 || len(n.Cmds[0].Args) != 1 {
		return false
	}
	switch arg := n.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		return root && len(arg.Ident) == 1 && slices.Contains(c.loops, arg.Ident[0])
	case *parse.VariableNode:
		return len(arg.Ident) == 2 && arg.Ident[0] == "$" && slices.Contains(c.loops, arg.Ident[1])
	default:
		return false
	}
}

func each[T any](list []T, check func(T) error) error {
	for _, one := range list {
		if err := check(one); err != nil {
			return err
		}
	}
	return nil
}

func dotted(names []string) string {
	if len(names) == 0 {
		return "nothing (this template has no lists)"
	}
	return "." + strings.Join(names, ", .")
}
