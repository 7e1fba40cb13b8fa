package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/policy/doctor"
)

// maxExamined is how many objects of a kind doctor reads at most.
const maxExamined = 20_000

// get begins a read below an API's path, whose deadline is that of its context.
func (x *examiner) get(of schema.GroupVersion) *rest.Request {
	return x.client.Get().AbsPath(root(of)).Timeout(0)
}

// one reads an object. right is what that takes.
func one[T any](ctx context.Context, r *rest.Request, right string) (found doctor.Read[T]) {
	data, err := answerTo(ctx, r)
	if err == nil {
		err = json.Unmarshal(data, &found.Value)
	}
	found.Unread = unread(err, right)
	return found
}

// all reads the objects of a resource, in all namespaces if that is empty.
func all[T any](ctx context.Context, x *examiner, of schema.GroupVersionResource, namespace, selector string) (found doctor.Read[[]T]) {
	right := "list " + of.Resource + inGroup(of.Group)
	if namespace != "" {
		right += ", in " + namespace
	}
	for next := ""; ; {
		r := x.get(of.GroupVersion()).Resource(of.Resource).Param("limit", fmt.Sprint(pageSize))
		if namespace != "" {
			r.Namespace(namespace)
		}
		page := one[struct {
			Metadata metav1.ListMeta `json:"metadata"`
			Items    []T             `json:"items"`
		}](ctx, with(with(r, "labelSelector", selector), "continue", next), right)
		if page.Unread != nil {
			return doctor.Read[[]T]{Unread: page.Unread}
		}
		found.Value = append(found.Value, page.Value.Items...)
		if next = page.Value.Metadata.Continue; next == "" {
			return found
		}
		if len(found.Value) >= maxExamined {
			return doctor.Read[[]T]{Unread: &doctor.Unread{Reason: fmt.Sprintf("there are more than %d %s: look at one namespace at a time, with -n", maxExamined, of.Resource)}}
		}
	}
}

// unread says what an error means; nil for none.
func unread(err error, right string) *doctor.Unread {
	unsent, _ := errors.AsType[*url.Error](err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return &doctor.Unread{Reason: fmt.Sprintf("no answer within %s, or %s in all", readTimeout, doctorTimeout)}
	case errors.Is(err, context.Canceled):
		return &doctor.Unread{Reason: "it was interrupted"}
	case unsent != nil:
		return &doctor.Unread{Reason: "the API server cannot be reached: " + unsent.Err.Error()}
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), " cannot "): // RBAC's words
		return &doctor.Unread{Reason: "you may not read it", Right: right}
	case unknown404(err):
		return &doctor.Unread{Reason: "the cluster does not serve it", Absent: true}
	case apierrors.IsNotFound(err):
		return &doctor.Unread{Reason: err.Error(), Absent: true}
	}
	return &doctor.Unread{Reason: err.Error()}
}

// server asks kube-apiserver who it is. The error says why it cannot be asked at all.
func (x *examiner) server(ctx context.Context, dates *dated) (doctor.Read[doctor.Server], error) {
	data, err := answerTo(ctx, x.client.Get().AbsPath("/version").Timeout(0))
	if unsent, ok := errors.AsType[*url.Error](err); ok && ctx.Err() == nil {
		return doctor.Read[doctor.Server]{}, fmt.Errorf("the API server cannot be reached: %w: see --kubeconfig and --context", unsent.Err)
	}
	var v version.Info
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	server := dates.first()
	server.Version = v
	return doctor.Read[doctor.Server]{Value: server, Unread: unread(err, "get the URL /version")}, nil
}

// dated notes the time that the first answer has.
type dated struct {
	now  func() time.Time
	mu   sync.Mutex
	seen *doctor.Server
}

func (d *dated) around(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		sent := d.now()
		answer, err := next.RoundTrip(r)
		if err != nil {
			return answer, err
		}
		date, _ := http.ParseTime(answer.Header.Get("Date"))
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.seen == nil {
			d.seen = &doctor.Server{Date: date, Sent: sent, Received: d.now()}
		}
		return answer, nil
	})
}

func (d *dated) first() doctor.Server {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		return doctor.Server{}
	}
	return *d.seen
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// review asks whether the HPA controller may do something. The API server stores nothing.
func (x *examiner) review(ctx context.Context, a doctor.Access) doctor.Read[bool] {
	resource, sub, _ := strings.Cut(a.Resource, "/")
	body, err := json.Marshal(authorizationv1.SubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: authorizationv1.SchemeGroupVersion.String(), Kind: "SubjectAccessReview"},
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: doctor.ControllerUser, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: metav1.NamespaceDefault, Verb: a.Verb, Group: a.Group, Version: "*", Resource: resource, Subresource: sub,
			},
		},
	})
	if err != nil {
		return doctor.Read[bool]{Unread: unread(err, "")}
	}
	r := x.client.Post().AbsPath(root(authorizationv1.SchemeGroupVersion)).Resource("subjectaccessreviews").Timeout(0).
		SetHeader("Content-Type", "application/json").Body(body)
	answer := one[authorizationv1.SubjectAccessReview](ctx, r, "create subjectaccessreviews in the group authorization.k8s.io")
	return doctor.Read[bool]{Value: answer.Value.Status.Allowed, Unread: answer.Unread}
}

// gates reads the feature gates that HPAs know from kube-apiserver's own metrics.
func (x *examiner) gates(ctx context.Context) (found doctor.Read[map[string]bool]) {
	data, err := answerTo(ctx, x.client.Get().AbsPath("/metrics").Timeout(0).SetHeader("Accept", "text/plain"))
	if found.Unread = unread(err, "get the URL /metrics"); found.Unread != nil {
		return found
	}
	found.Value = map[string]bool{}
	const before = `kubernetes_feature_enabled{name="`
	for line := range bytes.Lines(data) {
		if rest, ok := bytes.CutPrefix(line, []byte(before)); ok && bytes.HasPrefix(rest, []byte("HPA")) {
			name, _, _ := bytes.Cut(rest, []byte{'"'})
			found.Value[string(name)] = bytes.HasSuffix(bytes.TrimSpace(rest), []byte(" 1"))
		}
	}
	if len(found.Value) == 0 {
		found.Unread = &doctor.Unread{Reason: "kube-apiserver's /metrics has no kubernetes_feature_enabled of HPAs"}
	}
	return found
}
