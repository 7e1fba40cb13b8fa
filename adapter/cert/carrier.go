package cert

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Carrier is an object whose caBundle tells kube-apiserver by which CAs to verify us:
// see APIServices and Webhooks.
type Carrier interface {
	// String names it for people, its kind first.
	String() string
	// publish makes bundle its caBundle. The write holds only for the version that was
	// read: in between, the object may have become somebody else's. An error that is a
	// conflict means to try again.
	publish(ctx context.Context, bundle []byte) (outcome, error)
}

// outcome is how a Carrier was found.
type outcome struct {
	// owner says where an object points to that is not ours, and was left alone.
	owner string
	// changed: its caBundle was another one.
	changed bool
}

// target is the Service that an object has to point to, to be ours.
type target struct{ namespace, service string }

// foreign names the Service that an object points to; empty if it is ours.
func (t target) foreign(namespace, service string) string {
	if namespace == t.namespace && service == t.service {
		return ""
	}
	return namespace + "/" + service
}

// callError is an error of the API server's, with what was asked of it.
type callError struct {
	verb, resource, name string
	err                  error
}

func (e *callError) Error() string { return e.verb + ": " + e.err.Error() }

func (e *callError) Unwrap() error { return e.err }

// explain adds, to a refusal, the rule that is missing.
func (c *Controller) explain(err error) error {
	if call, ok := errors.AsType[*callError](err); ok && apierrors.IsForbidden(err) {
		return fmt.Errorf("allow %s's ServiceAccount the verb %q on %s with resourceNames [%q] (%s has the rule): %w",
			c.opts.Program, call.verb, call.resource, call.name, c.opts.Manifests, call.err)
	}
	return err
}
