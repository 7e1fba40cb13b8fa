package arch

import (
	"fmt"
	"slices"
	"strings"
)

// Rules are the architecture of one module. Paths of its own packages are
// relative to Module.
type Rules struct {
	Module string
	// Arrows: what a package may import of the module, directly. Every package
	// outside Free must be listed.
	Arrows []Arrow
	// Free are trees that Arrows do not govern and that nothing outside them
	// may import, tests included.
	Free []string
	// FreeWhy is the reason for the second half.
	FreeWhy string
	// Bans hold for everything a package reaches, through any other.
	Bans []Ban
}

// Arrow says what Package may import.
type Arrow struct {
	Package string
	May     []string
}

// Ban says which import trees the packages in From must not reach.
type Ban struct {
	From []string // trees, relative to the module; "" is the whole module
	Not  []string // full import paths
	Why  string
}

// Check returns every breach of the rules, sorted; none if g obeys.
func Check(g Graph, r Rules) []string {
	var found []string
	for _, p := range g {
		name, own := r.relative(p.ImportPath)
		if !own {
			continue
		}
		if !belowAny(name, r.Free) {
			found = append(found, r.arrows(name, p)...)
			found = append(found, r.free(name, p)...)
		}
		for _, b := range r.Bans {
			if !slices.ContainsFunc(b.From, func(t string) bool { return t == "" || below(name, t) }) {
				continue
			}
			if way := g.chain(p.ImportPath, func(q string) bool { return belowAny(q, b.Not) }); way != nil {
				found = append(found, fmt.Sprintf("%s must not reach %s: %s\n\t%s", name, way[len(way)-1], b.Why, strings.Join(way, " → ")))
			}
		}
	}
	for _, a := range r.Arrows {
		if _, ok := g[r.Module+"/"+a.Package]; !ok {
			found = append(found, fmt.Sprintf("%s is in the table of arrows and not in the module: take it out", a.Package))
		}
	}
	slices.Sort(found)
	return found
}

// arrows checks what the code of one package imports.
func (r Rules) arrows(name string, p Package) []string {
	i := slices.IndexFunc(r.Arrows, func(a Arrow) bool { return a.Package == name })
	if i < 0 {
		return []string{fmt.Sprintf("%s is not in the table of arrows: add it with what it may import, so that its place is decided and not grown", name)}
	}
	var found []string
	for _, imported := range p.Imports {
		if to, own := r.relative(imported); own && !belowAny(to, r.Free) && !slices.Contains(r.Arrows[i].May, to) {
			found = append(found, fmt.Sprintf("%s must not import %s: imports point one way, cmd → adapter → provider → {eval → plan, source, store} → rule → metric; it may import %s", name, to, list(r.Arrows[i].May)))
		}
	}
	return found
}

// free checks that a package and its tests keep away from the free trees.
func (r Rules) free(name string, p Package) []string {
	var found []string
	for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
		if to, own := r.relative(imported); own && belowAny(to, r.Free) {
			found = append(found, fmt.Sprintf("%s must not import %s: %s", name, to, r.FreeWhy))
		}
	}
	return slices.Compact(found)
}

func (r Rules) relative(path string) (string, bool) {
	if path == r.Module {
		return ".", true
	}
	return strings.CutPrefix(path, r.Module+"/")
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing of this module"
	}
	return strings.Join(names, ", ")
}
