package catalog

// Outcome says how discovery went. done is false before any rule got its series and
// not all were tried, and where there is no rule to ask for. err is the first
// failure, and nil if the series of any rule were found.
func (c *Catalog) Outcome() (done bool, err error) {
	s := c.current.Load()
	switch {
	case s.found > 0:
		return true, nil
	case s.rules == 0 || !c.isTried():
		return false, nil
	}
	return true, s.trouble
}
