package catalog

// Outcome says how the newest relist went. done is false before the first one has
// ended, and where there is no rule to ask for. err is the first failure, and nil if
// the series of any rule were found.
func (c *Catalog) Outcome() (done bool, err error) {
	select {
	case <-c.tried.ch:
	default:
		return false, nil
	}
	rules := len(c.opts.Rules.Custom) + len(c.opts.Rules.External)
	if int(c.failed.Load()) < rules {
		return true, nil
	}
	return rules > 0, c.Trouble()
}
