package guard

import (
	"fmt"
	"strconv"
	"strings"
)

// ID is a mode's number, which never changes. It is written GUARD-12.
type ID int

const idPrefix = "GUARD-"

func (id ID) String() string { return idPrefix + strconv.Itoa(int(id)) }

// MarshalText writes GUARD-12.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads GUARD-12.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	*id = parsed
	return err
}

// ParseID reads GUARD-12, in whatever case. The mode must be in the catalogue.
func ParseID(text string) (ID, error) {
	if len(text) > len(idPrefix) && strings.EqualFold(text[:len(idPrefix)], idPrefix) {
		if n, err := strconv.Atoi(text[len(idPrefix):]); err == nil && ID(n).String() == strings.ToUpper(text) {
			for _, m := range Catalogue() {
				if m.ID == ID(n) {
					return m.ID, nil
				}
			}
		}
	}
	return 0, fmt.Errorf("%q is no id of a finding: give one such as GUARD-12", text)
}

// ParseSlug reads a mode as annotations have it: 12-replicas-in-manifest. The mode must be
// in the catalogue.
func ParseSlug(text string) (ID, error) {
	number, _, _ := strings.Cut(text, "-")
	n, err := strconv.Atoi(number)
	for _, m := range Catalogue() {
		switch {
		case m.Slug() == text:
			return m.ID, nil
		case err == nil && m.ID == ID(n):
			return 0, fmt.Errorf("%q is no name of a finding: %s is %s", text, m.ID, m.Slug())
		}
	}
	return 0, fmt.Errorf("%q is no name of a finding: give one such as 12-replicas-in-manifest", text)
}

// Severity says how much a mode costs.
type Severity string

// The severities.
const (
	Critical Severity = "critical" // capacity is lost at once, under load
	High     Severity = "high"     // capacity is lost, or nothing scales any more
	Medium   Severity = "medium"   // sizes other than expected
)

// rank orders severities; the greater the worse. 0 is none.
func (s Severity) rank() int {
	switch s {
	case Critical:
		return 3
	case High:
		return 2
	case Medium:
		return 1
	}
	return 0
}

// AtLeast says whether s is as bad as bar or worse.
func (s Severity) AtLeast(bar Severity) bool { return s.rank() >= bar.rank() }

// ParseSeverity reads critical, high or medium.
func ParseSeverity(text string) (Severity, error) {
	if s := Severity(text); s.rank() > 0 {
		return s, nil
	}
	return "", fmt.Errorf("%q is no severity: give critical, high or medium", text)
}

// Slug is the mode's number and name, as annotations have them: 12-replicas-in-manifest.
func (m Mode) Slug() string { return fmt.Sprintf("%02d-%s", int(m.ID), m.Name) }

// Mode is one way in which an HPA and what it scales come apart.
type Mode struct {
	ID       ID
	Name     string
	Severity Severity
	// Summary is what happens, in one line.
	Summary string
	// Why is upstream's reason: what in Kubernetes makes it happen.
	Why string
	// Remedy is what to do, where a finding has no better one.
	Remedy string
	// Needs are the kinds without which nothing can be said; the check is skipped.
	Needs []Kind
	// Also are kinds without which less is found; the report says so.
	Also []Kind
	// Change: it needs Snapshot.Old.
	Change bool
	// Status: it needs live objects, for it reads their status.
	Status bool
	// NotYet is why there is no check; empty if there is one.
	NotYet string

	check func(*world, *result)
}

// Implemented says whether there is a check.
func (m Mode) Implemented() bool { return m.check != nil }
