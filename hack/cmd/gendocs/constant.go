package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// constant is one of a group, with what its comment says: NAME (STATUS): TEXT.
type constant struct{ name, value, status, text string }

// group are constants that are declared together.
type group struct {
	about string // the comment above them, in one line
	kind  string // their type's name; empty without one
	of    []constant
}

// groups returns the groups of string constants of a package that have a comment above
// them. Of those that wanted picks each constant needs a comment, for what is left out there
// would be left out of the docs.
func groups(dir string, wanted func(about, kind string) bool) ([]group, error) {
	files, err := parse(dir)
	if err != nil {
		return nil, err
	}
	var all []group
	for _, f := range files {
		for _, d := range f.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.CONST || decl.Doc == nil || len(decl.Specs) == 0 {
				continue
			}
			g := group{about: oneLine(decl.Doc.Text())}
			if t, ok := decl.Specs[0].(*ast.ValueSpec).Type.(*ast.Ident); ok {
				g.kind = t.Name
			}
			if !wanted(g.about, g.kind) {
				continue
			}
			for _, s := range decl.Specs {
				c, err := constantOf(dir, files, s.(*ast.ValueSpec))
				if err != nil {
					return nil, fmt.Errorf("%s: %q: %w", dir, g.about, err)
				}
				g.of = append(g.of, c)
			}
			all = append(all, g)
		}
	}
	return all, nil
}

// parse reads the files of a package, without its tests, in the order of their names.
func parse(dir string) ([]*ast.File, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no Go files", dir)
	}
	return files, nil
}

// comment is NAME: TEXT or NAME (STATUS): TEXT.
var comment = regexp.MustCompile(`^(\w+)(?: \(([^)]*)\))?: (.+)$`)

func constantOf(dir string, files []*ast.File, s *ast.ValueSpec) (constant, error) {
	c := constant{name: s.Names[0].Name}
	if len(s.Names) != 1 || len(s.Values) != 1 {
		return c, fmt.Errorf("%s: not one constant with its value", c.name)
	}
	found := comment.FindStringSubmatch(oneLine(s.Doc.Text()))
	if found == nil || found[1] != c.name {
		return c, fmt.Errorf("%s has no comment of the form %s (STATUS): TEXT", c.name, c.name)
	}
	c.status, c.text = found[2], upper(found[3])
	var err error
	c.value, err = valueOf(dir, files, s.Values[0])
	return c, err
}

// valueOf is the value of a string constant: a literal, or the name of another one, of this
// package or of one beside it.
func valueOf(dir string, files []*ast.File, e ast.Expr) (string, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return strconv.Unquote(e.Value)
	case *ast.Ident:
		if of := declared(files, e.Name); of != nil {
			return valueOf(dir, files, of)
		}
		return "", fmt.Errorf("there is no constant %s", e.Name)
	case *ast.SelectorExpr:
		beside := filepath.Join(dir, "..", e.X.(*ast.Ident).Name)
		of, err := parse(beside)
		if err != nil {
			return "", err
		}
		return valueOf(beside, of, e.Sel)
	}
	return "", fmt.Errorf("a value that is neither a literal nor a name")
}

// declared is the value of a constant of a package; nil if it has none of this name.
func declared(files []*ast.File, name string) ast.Expr {
	for _, f := range files {
		for _, d := range f.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.CONST {
				continue
			}
			for _, s := range decl.Specs {
				for i, n := range s.(*ast.ValueSpec).Names {
					if n.Name == name && i < len(s.(*ast.ValueSpec).Values) {
						return s.(*ast.ValueSpec).Values[i]
					}
				}
			}
		}
	}
	return nil
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
