// Package reminder is the vocabulary of Remind Me: what a reminder is and how
// it is written down. It does no I/O.
package reminder

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// MaxText is the longest text of a reminder, in bytes.
	MaxText = 1000
	// MaxAhead is how far in the future a reminder may be due.
	MaxAhead = 10 * 366 * 24 * time.Hour
	// MaxEncoded bounds an encoded reminder in bytes. JSON writes a byte of
	// text as six at most (\u0000), the other fields are of fixed size.
	MaxEncoded = 6*MaxText + 512
)

// Reminder is a text that has to be delivered when it is due.
type Reminder struct {
	ID      string    `json:"id"`
	Text    string    `json:"text"`
	Due     time.Time `json:"due"`
	Created time.Time `json:"created"`
}

// idPattern is also what keeps an ID from the network out of the queue's
// subject syntax: no dot, no wildcard, no space.
var idPattern = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// New returns a reminder with a fresh random ID, created now. A due time that
// is zero or past means due now.
func New(text string, due, now time.Time) (Reminder, error) {
	if due.Before(now) {
		due = now
	}
	r := Reminder{ID: rand.Text(), Text: text, Due: due.UTC(), Created: now.UTC()}
	return r, r.Validate()
}

// Validate reports every fault of r at once.
func (r Reminder) Validate() error {
	var errs []error
	if err := ValidateID(r.ID); err != nil {
		errs = append(errs, err)
	}
	switch {
	case strings.TrimSpace(r.Text) == "":
		errs = append(errs, errors.New("text: must not be empty"))
	case len(r.Text) > MaxText:
		errs = append(errs, fmt.Errorf("text: %d bytes, at most %d are allowed", len(r.Text), MaxText))
	case !utf8.ValidString(r.Text):
		errs = append(errs, errors.New("text: must be UTF-8"))
	}
	switch {
	case r.Due.IsZero():
		errs = append(errs, errors.New("due: missing"))
	case r.Due.Sub(r.Created) > MaxAhead:
		errs = append(errs, fmt.Errorf("due: %s is more than ten years ahead", r.Due.Format(time.RFC3339)))
	}
	return errors.Join(errs...)
}

// ValidateID reports whether id can be a reminder's ID.
func ValidateID(id string) error {
	if !idPattern.MatchString(id) {
		return errors.New("id: must be 26 characters of A-Z and 2-7")
	}
	return nil
}

// Encode returns r as JSON.
func Encode(r Reminder) ([]byte, error) { return json.Marshal(r) }

// Parse is the inverse of Encode; what it returns is valid.
func Parse(data []byte) (Reminder, error) {
	if len(data) > MaxEncoded {
		return Reminder{}, fmt.Errorf("reminder: %d bytes, at most %d are allowed", len(data), MaxEncoded)
	}
	var r Reminder
	if err := json.Unmarshal(data, &r); err != nil {
		return Reminder{}, fmt.Errorf("reminder: %w", err)
	}
	if err := r.Validate(); err != nil {
		return Reminder{}, err
	}
	return r, nil
}
