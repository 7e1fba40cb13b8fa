package plan

// choose decides by cost which labels' values to list. Few are listed: the source then
// looks at what is wanted alone. Where so many are wanted that it takes several queries
// to list them, and most of what there is is wanted anyway, none are.
//
// The values of labels that are not listed are left out, so that the answer has all there
// are.
func (g *group) choose() labelSet {
	list, objects := g.all(), g.wide.objects()
	if objects < 0 || g.limits.Count == nil {
		return list
	}
	wanted, live, everywhere, namespaces := g.census()
	if wanted > g.limits.Names && live > 0 && 2*wanted >= live {
		list &^= 1 << objects
		if everywhere > 0 && 2*live >= everywhere && namespaces > g.limits.Names {
			if i := g.namespaceLabel(objects); i >= 0 {
				list &^= 1 << i
			}
		}
	}
	return list
}

// census counts the objects that are wanted, those that there are in their namespaces, and
// all, 0 where a number is not known; and the namespaces.
func (g *group) census() (wanted, live, everywhere, namespaces int) {
	seen := map[string]map[string]bool{}
	for _, p := range g.parts {
		if seen[p.Namespace] == nil {
			seen[p.Namespace] = map[string]bool{}
		}
		for _, name := range p.Names {
			seen[p.Namespace][name] = true
		}
	}
	gr, known := g.parts[0].Resource, true
	for ns, names := range seen {
		wanted += len(names)
		n, ok := g.limits.Count(gr, ns)
		live, known = live+n, known && ok
	}
	if !known {
		live = 0
	}
	everywhere, _ = g.limits.Count(gr, "")
	return wanted, live, everywhere, len(seen)
}

// namespaceLabel is the place of the label that has the parts' namespaces as its values,
// -1 if there is none.
func (g *group) namespaceLabel(objects int) int {
	for i := range g.wide.given {
		is := i != objects
		for _, p := range g.parts {
			is = is && p.Given[i].Values[0] == p.Namespace
		}
		if is {
			return i
		}
	}
	return -1
}

// chunk counts what one query is about so far.
type chunk struct {
	*group
	list   labelSet
	reads  int
	share  int
	values int
	seen   []map[string]bool // values of each label
	places map[string]bool   // namespaces whose objects are counted
}

// fits says whether the query can be about one more read. It can always be about one.
func (c *chunk) fits(p *Part) bool {
	if c.reads == 0 {
		return true
	}
	if share := min(bound(c.share), bound(p.share)); c.reads+1 > share || c.reads+1 > c.limits.Reads {
		return false
	}
	if c.values+c.adds(p) > c.limits.Values {
		return false
	}
	for i, g := range p.Given {
		fresh := 0
		for _, v := range g.Values {
			if !c.seen[i][v] {
				fresh++
			}
		}
		if c.list.has(i) && len(c.seen[i])+fresh > c.limits.Names {
			return false
		}
	}
	return true
}

// adds is about how many elements of the answer a read adds.
func (c *chunk) adds(p *Part) int {
	if i := c.wide.objects(); i >= 0 && !c.list.has(i) {
		if c.places[p.Namespace] {
			return 0
		}
		n, _ := c.limits.Count(p.Resource, p.Namespace)
		return n * p.elements / len(p.Names) // the others are like those that are wanted
	}
	return max(1, p.elements)
}

func (c *chunk) take(p *Part) {
	if c.seen == nil {
		c.places = map[string]bool{}
		for range p.Given {
			c.seen = append(c.seen, map[string]bool{})
		}
	}
	c.values += c.adds(p)
	c.places[p.Namespace] = true
	c.reads++
	c.share = min(bound(c.share), bound(p.share))
	for i, g := range p.Given {
		for _, v := range g.Values {
			c.seen[i][v] = true
		}
	}
}
