package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/policy/chain"
	"github.com/loadline/loadline/policy/doctor"
	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
)

// maxAnswer is how many bytes of one answer are read. A page of 500 pods has a tenth of that.
const maxAnswer = 64 << 20

// question is a read, with what its errors are about.
type question struct {
	// at is the place in the chain.
	at string
	of schema.GroupVersion
	// right is what the read takes: a verb and a resource.
	right string
	// absent is what a 404 of what is asked for means, and what to do.
	absent, remedy string
	// optional: what is not there is not missed, and leaves the object as it is. served: but
	// its API is.
	optional, served bool
}

// fetch reads the answer to a question into an object; what is broken if there is none.
func fetch(ctx context.Context, r *rest.Request, q question, into any) *chain.Break {
	data, err := answerTo(ctx, r)
	switch {
	case err != nil && q.optional && apierrors.IsNotFound(err) && !(q.served && unknown404(err)):
		return nil
	case errors.Is(err, errLong):
		return &chain.Break{At: q.at, Reason: err.Error(), Remedy: "there is more than can be explained"}
	case err != nil:
		return q.broken(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return &chain.Break{At: q.at, Reason: fmt.Sprintf("the answer of %s cannot be read: %s", q.of, err), Remedy: "see who serves this API, and in which version"}
	}
	return nil
}

// errLong is an answer that is not read to its end.
var errLong = fmt.Errorf("the answer has more than %d bytes", maxAnswer)

// answerTo is the body of an answer that comes within readTimeout.
func answerTo(ctx context.Context, r *rest.Request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	// Waiting for what says Retry-After would use the time of the others up.
	answer, err := r.MaxRetries(0).Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	data, err := io.ReadAll(io.LimitReader(answer, maxAnswer+1))
	if err == nil && len(data) > maxAnswer {
		err = errLong
	}
	return data, err
}

// broken says what an error means and what to do about it.
func (q question) broken(err error) *chain.Break {
	b := &chain.Break{At: q.at, Reason: err.Error(), Remedy: "see what the API server logs about it"}
	unsent, _ := errors.AsType[*url.Error](err)
	aggregated := slices.Contains([]string{resourceMetrics, customMetrics, externalMetrics, diagnostics.GroupVersion.Group}, q.of.Group)
	apiService := q.of.Version + "." + q.of.Group
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		b.Reason = fmt.Sprintf("no answer within %s, or %s in all", readTimeout, explainTimeout)
		if aggregated {
			b.Remedy = "see whether the API server reaches who serves it (kubectl get apiservices), and what that logs"
		}
	case errors.Is(err, context.Canceled):
		b.Reason, b.Remedy = "it was interrupted", "call it again"
	case unsent != nil:
		b.Reason, b.Remedy = "the API server cannot be reached: "+unsent.Err.Error(), "see --kubeconfig and --context"
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), `" cannot `): // RBAC's words
		b.Remedy = "ask for a Role that lets you " + q.right + inGroup(q.of.Group)
		switch {
		case q.of.Group == diagnostics.GroupVersion.Group:
			b.Remedy += ". The ClusterRole loadline-diagnostics-reader has this right, and view with it"
		case aggregated && q.of.Group != resourceMetrics:
			b.Remedy += ". Whether the HPA controller may, the HPA's conditions say. The ClusterRole loadline-metrics-reader has this right for all metrics"
		default:
			b.Remedy += ". Whether the HPA controller may, the HPA's conditions say"
		}
	case apierrors.IsForbidden(err):
		b.Remedy = "it is who serves the API that refuses, and says what to change"
	case apierrors.IsUnauthorized(err):
		b.Remedy = "see the user of the kubeconfig's context"
	case unknown404(err) && aggregated:
		b.Reason = fmt.Sprintf("the cluster does not serve %s: there is no APIService %s", q.of.Group, apiService)
		if q.of.Version == "" {
			b.Reason = fmt.Sprintf("the cluster does not serve %s: there is no APIService of this group", q.of.Group)
		}
		b.Remedy = doctor.Serving(q.of.Group)
	case apierrors.IsNotFound(err) && q.absent != "":
		b.Reason, b.Remedy = q.absent+": "+err.Error(), q.remedy
		if unknown404(err) {
			b.Reason = fmt.Sprintf("%s: the cluster does not serve %s", q.absent, strings.TrimSuffix(q.of.String(), "/"))
		}
	case aggregated && apierrors.IsServiceUnavailable(err):
		b.Remedy = "if the message names no cause, the API server does not reach who serves it: kubectl get apiservices; otherwise see what it names"
	case aggregated:
		b.Remedy = "see what who serves this API logs about it"
	}
	return b
}

// unknown404 says whether the API server does not know a path. It then answers with its
// library's plain 404, and with a status of its own about an object that there is not.
func unknown404(err error) bool {
	return apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

func inGroup(group string) string {
	if group == "" {
		return " in the core group"
	}
	return " in the group " + group
}

// pods reads those that a selector finds.
func (g *gatherer) pods(ctx context.Context, selector string) ([]corev1.Pod, *chain.Break) {
	q := question{at: "pods", of: corev1.SchemeGroupVersion, right: "list pods"}
	var all []corev1.Pod
	for next := ""; ; {
		r := g.get(q.of).Namespace(g.namespace).Resource("pods").Param("labelSelector", selector).Param("limit", fmt.Sprint(pageSize))
		if next != "" {
			r.Param("continue", next)
		}
		var page corev1.PodList
		if b := fetch(ctx, r, q, &page); b != nil {
			return nil, b
		}
		all = append(all, page.Items...)
		if next = page.Continue; next == "" {
			return all, nil
		}
	}
}
