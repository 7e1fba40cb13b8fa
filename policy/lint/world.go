package lint

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// world is what is looked at together: objects of which each is there once.
type world struct {
	// at is the directory or the file that it is in; empty if it is all there is.
	at    string
	items []item
}

// worlds divides objects where some are there twice, as manifests of several
// environments or of several versions beside each other are: directory by directory,
// from the top, and at last file by file. Of what is there twice in one file the last
// one counts, as it does for kubectl apply.
func worlds(all []item) []world {
	if !doubled(all) {
		return []world{{items: all}}
	}
	return divide(all, common(all))
}

func doubled(all []item) bool {
	seen := map[identity]bool{}
	for _, one := range all {
		if id := one.identity(); seen[id] {
			return true
		} else {
			seen[id] = true
		}
	}
	return false
}

func divide(all []item, dir string) []world {
	if !doubled(all) {
		return []world{{at: dir, items: all}}
	}
	groups := map[string][]item{}
	for _, one := range all {
		groups[below(one.doc.File, dir)] = append(groups[below(one.doc.File, dir)], one)
	}
	var found []world
	for _, at := range slices.Sorted(maps.Keys(groups)) {
		switch group := groups[at]; {
		case at != dir:
			found = append(found, divide(group, at)...)
		default: // files of the directory itself
			found = append(found, divideFiles(group, dir)...)
		}
	}
	return found
}

func divideFiles(all []item, dir string) []world {
	if !doubled(all) {
		return []world{{at: dir, items: all}}
	}
	groups := map[string][]item{}
	for _, one := range all {
		groups[one.doc.File] = append(groups[one.doc.File], one)
	}
	var found []world
	for _, file := range slices.Sorted(maps.Keys(groups)) {
		found = append(found, world{at: file, items: lastOfEach(groups[file])})
	}
	return found
}

func lastOfEach(all []item) []item {
	last := map[identity]int{}
	for i, one := range all {
		last[one.identity()] = i
	}
	var kept []item
	for i, one := range all {
		if last[one.identity()] == i {
			kept = append(kept, one)
		}
	}
	return kept
}

// below is the directory right under dir in which a file is; dir itself if that is where
// the file is.
func below(file, dir string) string {
	rest, err := filepath.Rel(dir, file)
	if err != nil {
		return dir
	}
	first, _, deeper := strings.Cut(filepath.ToSlash(rest), "/")
	if !deeper {
		return dir
	}
	return filepath.Join(dir, first)
}

// common is the innermost directory that all files are in.
func common(all []item) string {
	dir := filepath.Dir(all[0].doc.File)
	for _, one := range all[1:] {
		for {
			rest, err := filepath.Rel(dir, one.doc.File)
			if err == nil && rest != ".." && !strings.HasPrefix(rest, "../") {
				break
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				return dir
			}
			dir = parent
		}
	}
	return dir
}

// relative is a place below a directory.
func relative(dir, at string) string {
	rest, err := filepath.Rel(dir, at)
	if err != nil {
		return at
	}
	return rest
}
