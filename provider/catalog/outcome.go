package catalog

// Outcome says how the discovery of a source's series went; empty is the source that has no
// name. done is false before any rule got its series and not all were tried, and where there
// is no rule to ask for. err is the first failure, and nil if the series of any rule were
// found.
func (c *Catalog) Outcome(source string) (done bool, err error) {
	t := c.current.Load().sources[source]
	switch {
	case t == nil:
		return false, nil
	case t.found > 0:
		return true, nil
	case t.rules == 0 || t.untried > 0:
		return false, nil
	}
	return true, t.trouble
}
