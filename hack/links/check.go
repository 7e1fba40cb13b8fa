package links

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Pages returns the Markdown files below a directory, relative to it. Directories whose
// names begin with a dot and those that are built (bin, dist, _output) are left out.
func Pages(root string) ([]string, error) {
	var pages []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); file != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"bin", "dist", "_output"}, name)) {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(file, ".md") {
			name, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			pages = append(pages, filepath.ToSlash(name))
		}
		return nil
	})
	return pages, err
}

// Check returns what is wrong with the links of the Markdown files below a directory, as
// FILE:LINE: LINK: WHY, and how many there are that it could look at.
func Check(root string) (wrong []string, looked int, err error) {
	names, err := Pages(root)
	if err != nil {
		return nil, 0, err
	}
	c := checker{root: root, pages: map[string]page{}}
	for _, name := range names {
		p, err := c.page(name)
		if err != nil {
			return nil, 0, err
		}
		for _, l := range p.links {
			if elsewhere.MatchString(l.target) {
				continue
			}
			looked++
			if why := c.look(name, l.target); why != "" {
				wrong = append(wrong, fmt.Sprintf("%s:%d: %s: %s", name, l.line, l.target, why))
			}
		}
	}
	return wrong, looked, nil
}

// elsewhere is an address in the network, or of mail.
var elsewhere = regexp.MustCompile(`^(?:[A-Za-z][A-Za-z0-9+.-]*:|//)`)

type checker struct {
	root  string
	pages map[string]page
}

func (c *checker) page(name string) (page, error) {
	if p, ok := c.pages[name]; ok {
		return p, nil
	}
	text, err := os.ReadFile(filepath.Join(c.root, filepath.FromSlash(name)))
	if err != nil {
		return page{}, err
	}
	c.pages[name] = parse(string(text))
	return c.pages[name], nil
}

// look says why a link of a page leads nowhere; empty if it leads somewhere.
func (c *checker) look(from, target string) string {
	where, fragment, _ := strings.Cut(target, "#")
	where, err := url.PathUnescape(where)
	if err != nil {
		return err.Error()
	}
	to := from
	switch {
	case strings.HasPrefix(where, "/"): // of the repository
		to = path.Clean(strings.TrimPrefix(where, "/"))
	case where != "":
		to = path.Join(path.Dir(from), where)
	}
	if to == ".." || strings.HasPrefix(to, "../") {
		return "is outside of the repository"
	}
	info, err := os.Stat(filepath.Join(c.root, filepath.FromSlash(to)))
	if err != nil {
		return "there is no such file"
	}
	if fragment == "" {
		return ""
	}
	if info.IsDir() {
		to = path.Join(to, "README.md") // which is shown of a directory
	}
	if !strings.HasSuffix(to, ".md") {
		return "" // such as a line of a source
	}
	p, err := c.page(to)
	if err != nil {
		return "there is no page with headings"
	}
	if !p.anchors[fragment] {
		return fmt.Sprintf("%s has no heading of this anchor", to)
	}
	return ""
}
