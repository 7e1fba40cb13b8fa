package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Case is one file.
type Case struct {
	Name string `yaml:"-"` // family/name, of the file

	// About says in a sentence what it shows, and Deliberate names the row of rows where
	// prometheus-adapter does something else.
	About      string
	Deliberate string

	Config   string        // of the adapter, as a user would write it
	Flags    []string      // of the adapter, besides those of every case
	Interval time.Duration // between samples; 15 s if not given
	Series   []string      // as promqltest writes them; the last sample of each is of now
	Objects  []string      // of the cluster, see parseObject
	Hidden   []string      // kinds of objects that the adapter may not list, as RESOURCE[.GROUP]

	Error      string            // why the configuration is refused, all lines
	Names      []string          // of custom metrics, as discovery lists them
	External   []string          // of external metrics
	Log        []string          // texts in the adapter's log
	Reads      []Read            // one after the other
	Together   []string          // the queries by which all that was read is evaluated later
	Parameters map[string]string // regular expressions for what comes with each query
}

// Read is one request and what comes of it.
type Read struct {
	Path  string        // below /apis/, or from the root if it begins with a slash
	Pause time.Duration // before it

	Items     map[string]string // of custom metrics: values by the object's name
	Describes *Described        // what all items describe
	Values    []Value           // of external metrics
	Window    *int64            // of all items, in seconds; 0 for none
	Answer    any               // the whole body, with TIME for times
	Contains  []string          // texts in the body
	Status    int               // 200 if not given
	Message   string            // a text in the message of an error
	Query     *string           // the PromQL that was sent for it; empty for none
}

// Described is a kind of object, and where it lives.
type Described struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Namespace  string
}

// Value is one series of an external metric.
type Value struct {
	Labels map[string]string
	Value  string
}

// Load reads all cases below a directory, by their names. The error joins what is wrong
// with each.
func Load(dir string) ([]Case, error) {
	var cases []Case
	var errs []error
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, strings.TrimSuffix(path, ".yaml"))
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		c, err := decode(filepath.ToSlash(name), data)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
		cases = append(cases, c)
		return nil
	})
	return cases, errors.Join(append(errs, err)...)
}

// decode reads one case. An unknown key is an error, and so is a case that expects nothing.
func decode(name string, data []byte) (Case, error) {
	c := Case{Name: name, Interval: 15 * time.Second}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		return c, err
	}
	return c, errors.Join(c.problems()...)
}

func (c *Case) problems() (errs []error) {
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(!strings.HasSuffix(c.About, "."), "about: say in a sentence what it shows")
	_, known := rows()[c.Deliberate]
	wrong(c.Deliberate != "" && !known, "deliberate: there is no row %q", c.Deliberate)
	wrong(c.Config == "" && c.Error == "", "config: is missing")
	expects := c.Names != nil || c.External != nil || len(c.Log)+len(c.Reads)+len(c.Together) > 0
	wrong(!expects && c.Error == "", "it expects nothing")
	wrong(expects && c.Error != "", "error: of a configuration that is refused there is nothing else to expect")
	for i, line := range c.Series {
		_, err := parseSeries(line)
		wrong(err != nil, "series[%d]: %v", i, err)
	}
	for i, text := range c.Objects {
		_, err := parseObject(text)
		wrong(err != nil, "objects[%d]: %v", i, err)
	}
	for i, text := range c.Hidden {
		wrong(!slices.ContainsFunc(kinds(), func(k kind) bool { return k.GroupResource().String() == text }), "hidden[%d]: there is no resource %q", i, text)
	}
	for i, r := range c.Reads {
		if err := r.problem(); err != nil {
			errs = append(errs, fmt.Errorf("reads[%d]: %w", i, err))
		}
	}
	return errs
}

func (r *Read) problem() error {
	good := r.Items != nil || r.Values != nil || r.Answer != nil || len(r.Contains) > 0
	switch {
	case r.Path == "":
		return errors.New("path: is missing")
	case !good && r.Status == 0:
		return errors.New("it expects nothing")
	case good && r.Status != 0, r.Items != nil && r.Values != nil:
		return errors.New("it expects two things that exclude each other")
	case (r.Status >= 400) != (r.Message != ""):
		return errors.New("status and message: an error has both")
	case r.Describes != nil && len(r.Items) == 0, r.Window != nil && len(r.Items)+len(r.Values) == 0:
		return errors.New("describes and window are of items")
	}
	return nil
}

// families are the directories of cases, with how many there are in each.
func families(cases []Case) map[string]int {
	count := map[string]int{}
	for _, c := range cases {
		family, _, _ := strings.Cut(c.Name, "/")
		count[family]++
	}
	return count
}

// distinct is a list sorted and without repetition.
func distinct(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}
