package reminder_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/deploy/examples/remindme/reminder"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestNew(t *testing.T) {
	for name, tc := range map[string]struct {
		text    string
		due     time.Time
		wantDue time.Time
		wantErr string
	}{
		"no due time is now":   {text: "a", wantDue: now},
		"a past one is now":    {text: "a", due: now.Add(-time.Hour), wantDue: now},
		"a future one is kept": {text: "a", due: now.Add(time.Hour), wantDue: now.Add(time.Hour)},
		"longest text":         {text: strings.Repeat("x", reminder.MaxText), wantDue: now},
		"empty text":           {text: " \n", wantErr: "text: must not be empty"},
		"long text":            {text: strings.Repeat("x", reminder.MaxText+1), wantErr: "text: 1001 bytes, at most 1000 are allowed"},
		"no UTF-8":             {text: "\xff", wantErr: "text: must be UTF-8"},
		"too far":              {text: "a", due: now.AddDate(11, 0, 0), wantErr: "due: 2037-03-01T12:00:00Z is more than ten years ahead"},
		"two faults": {text: "", due: now.AddDate(11, 0, 0),
			wantErr: "text: must not be empty\ndue: 2037-03-01T12:00:00Z is more than ten years ahead"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := reminder.New(tc.text, tc.due, now)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tc.wantErr, got); diff != "" {
				t.Fatalf("error (-want +got)\n%s", diff)
			}
			if err == nil && !r.Due.Equal(tc.wantDue) {
				t.Errorf("due %v, want %v", r.Due, tc.wantDue)
			}
		})
	}
}

func TestValidateID(t *testing.T) {
	for id, valid := range map[string]bool{
		"ABCDEFGHIJKLMNOPQRSTUVWX27": true, "": false, "*": false, ">": false,
		"ABCDEFGHIJKLMNOPQRSTUVWX2.": false, "ABCDEFGHIJKLMNOPQRSTUVWX27\n": false, "abcdefghijklmnopqrstuvwx27": false,
	} {
		if err := reminder.ValidateID(id); (err == nil) != valid {
			t.Errorf("ValidateID(%q) = %v, want valid %v", id, err, valid)
		}
	}
}

// FuzzParse holds that what Parse accepts is valid, fits the queue's limit
// and survives another round.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"id":"ABCDEFGHIJKLMNOPQRSTUVWX27","text":"a","due":"2026-03-01T12:00:00Z","created":"2026-03-01T12:00:00Z"}`))
	f.Add([]byte(`{"id":"ABCDEFGHIJKLMNOPQRSTUVWX27","text":"\u0000<","due":"2026-03-01T12:00:00+23:59","created":"2026-03-01T12:00:00Z"}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := reminder.Parse(data)
		if err != nil {
			return
		}
		again, err := reminder.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > reminder.MaxEncoded {
			t.Fatalf("%d bytes", len(again))
		}
		back, err := reminder.Parse(again)
		if diff := cmp.Diff(r, back); err != nil || diff != "" {
			t.Errorf("%v (-first +second)\n%s", err, diff)
		}
	})
}
