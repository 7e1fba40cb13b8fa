package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const question = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"7","operation":"CREATE","dryRun":true,"object":{}}}`

// ask posts a body to a handler with one judge, and returns what became of it.
func ask(judge Judge, r *http.Request) (status int, body, outcome string) {
	h := NewHandler(map[string]Judge{"/x": judge}, func(_, o string, _ time.Duration) { outcome = o })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String(), outcome
}

func post(body io.Reader) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/x?timeout=2s", body)
	r.Header.Set("Content-Type", "application/json")
	return r
}

func TestAnswers(t *testing.T) {
	var many []string
	for range maxWarnings + 2 {
		many = append(many, "w")
	}
	tests := map[string]struct {
		verdict Verdict
		err     error
		want    admissionv1.AdmissionResponse
		outcome string
	}{
		"allowed": {Verdict{}, nil, admissionv1.AdmissionResponse{Allowed: true}, Allowed},
		"warned":  {Verdict{Warnings: []string{"two\nlines"}}, nil, admissionv1.AdmissionResponse{Allowed: true, Warnings: []string{"two lines"}}, Warned},
		"refused": {Verdict{Refused: "no", Warnings: []string{"hm"}}, nil, admissionv1.AdmissionResponse{
			Warnings: []string{"hm"}, Result: &metav1.Status{Status: "Failure", Reason: "Invalid", Code: 422, Message: "no"},
		}, Refused},
		"failed": {Verdict{}, errors.New("no idea"), admissionv1.AdmissionResponse{
			Allowed: true, Warnings: []string{"loadline-policy could not look at this, so it passes: no idea"},
		}, Failed},
		"a long story": {Verdict{Warnings: []string{strings.Repeat("ä", maxWarning)}}, nil, admissionv1.AdmissionResponse{
			Allowed: true, Warnings: []string{strings.Repeat("ä", maxWarning/2) + "…"},
		}, Warned},
		"many stories": {Verdict{Warnings: many}, nil, admissionv1.AdmissionResponse{
			Allowed: true, Warnings: append(many[:maxWarnings-1:maxWarnings-1], "and 3 more"),
		}, Warned},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			status, body, outcome := ask(func(_ context.Context, r *admissionv1.AdmissionRequest) (Verdict, error) {
				if r.UID != "7" || r.DryRun == nil || !*r.DryRun {
					t.Errorf("not the question: %v", r)
				}
				return tt.verdict, tt.err
			}, post(strings.NewReader(question)))
			tt.want.UID = "7"
			want := admissionv1.AdmissionReview{TypeMeta: reviewType, Response: &tt.want}
			var got admissionv1.AdmissionReview
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
				t.Fatalf("status %d, %v: %s", status, err, body)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if outcome != tt.outcome {
				t.Errorf("outcome %q, want %q", outcome, tt.outcome)
			}
		})
	}
}

func TestNoQuestions(t *testing.T) {
	replaced := func(old, with string) *http.Request {
		return post(strings.NewReader(strings.Replace(question, old, with, 1)))
	}
	text := post(strings.NewReader(question))
	text.Header.Set("Content-Type", "text/plain")
	tests := map[string]struct {
		request *http.Request
		status  int
		says    string
		outcome string
	}{
		"a look":             {httptest.NewRequest(http.MethodGet, "/x", nil), 405, "", ""},
		"another path":       {httptest.NewRequest(http.MethodPost, "/y", nil), 404, "", ""},
		"text":               {text, 415, "send application/json", BadCall},
		"empty":              {post(strings.NewReader("")), 400, "the body is no AdmissionReview", BadCall},
		"no JSON":            {post(strings.NewReader("{")), 400, "the body is no AdmissionReview", BadCall},
		"an older version":   {replaced("k8s.io/v1", "k8s.io/v1beta1"), 400, `a "AdmissionReview" of "admission.k8s.io/v1beta1": send an AdmissionReview of admission.k8s.io/v1`, BadCall},
		"another kind":       {replaced("AdmissionReview", "Pod"), 400, `the body is a "Pod"`, BadCall},
		"no request":         {replaced("request", "response"), 400, "no request", BadCall},
		"no uid":             {replaced("uid", "name"), 400, "without a uid", BadCall},
		"as large as may be": {post(strings.NewReader(question + strings.Repeat(" ", maxBody-len(question)))), 200, `"allowed":true`, Allowed},
		"larger":             {post(strings.NewReader(question + strings.Repeat(" ", maxBody-len(question)+1))), 413, "more than 8388608 bytes", BadCall},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			status, body, outcome := ask(func(context.Context, *admissionv1.AdmissionRequest) (Verdict, error) {
				if tt.status != 200 {
					t.Error("it was asked nevertheless")
				}
				return Verdict{}, nil
			}, tt.request)
			if status != tt.status || !strings.Contains(body, tt.says) || outcome != tt.outcome {
				t.Errorf("status %d, outcome %q: %s", status, outcome, body)
			}
		})
	}
}

// An answer comes within the 2 s of the API server, whatever hangs.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		status, body, outcome := ask(func(ctx context.Context, _ *admissionv1.AdmissionRequest) (Verdict, error) {
			<-ctx.Done()
			return Verdict{Refused: "too late"}, ctx.Err()
		}, post(strings.NewReader(question)))
		if took := time.Since(began); took != limit || limit >= 2*time.Second {
			t.Errorf("took %s", took)
		}
		if status != http.StatusOK || outcome != Failed || !strings.Contains(body, `"allowed":true`) || !strings.Contains(body, "so it passes: no answer within 1.5s") {
			t.Errorf("status %d, outcome %q: %s", status, outcome, body)
		}
	})
}

// Whatever is posted, nothing breaks, and what is understood is answered under its uid.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(question))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"7","operation":"UPDATE","oldObject":{"spec":{"selector":{"a":"b"}}},"object":{"spec":{"selector":{"a":"c"}}}}}`))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"7","operation":"CREATE","object":{"spec":{"schedules":[{"start":"0 7 * * *","duration":"1h"}],"objectives":[{"query":{"expr":"x"}}]}}}}`))
	f.Add([]byte(`{"request":null}`))
	f.Add([]byte(`[]`))
	gate := NewGate(&world{policies: named(), ready: map[string]int{"a=b": 1}})
	judges := []Judge{gate.JudgeAll, Policies(func(string, string) []string { return nil })}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, judge := range judges {
			status, text, _ := ask(judge, post(strings.NewReader(string(body))))
			if status == http.StatusBadRequest {
				continue
			}
			asked, err := readReview(body)
			if err != nil {
				t.Fatalf("status %d for what cannot be read: %v", status, err)
			}
			var got admissionv1.AdmissionReview
			if err := json.Unmarshal([]byte(text), &got); err != nil || got.Response == nil {
				t.Fatalf("status %d, %v: %s", status, err, text)
			}
			if got.Response.UID != asked.UID {
				t.Errorf("answered %q, asked %q", got.Response.UID, asked.UID)
			}
			if got.Response.Allowed != (got.Response.Result == nil) {
				t.Errorf("allowed and refused: %s", text)
			}
		}
	})
}
