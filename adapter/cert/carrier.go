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
	// note is why nothing was done that need not be; empty if something was, or is right.
	note string
}

// Optional are carriers that need not be there, nor be ours to read: manifests of an earlier
// version, or of another adapter, have neither them nor the right. Whatever becomes of them must
// not hold a new certificate back; what else than these fails is a problem to report.
func Optional(carriers ...Carrier) []Carrier {
	out := make([]Carrier, 0, len(carriers))
	for _, c := range carriers {
		out = append(out, optional{c})
	}
	return out
}

type optional struct{ Carrier }

func (o optional) publish(ctx context.Context, bundle []byte) (outcome, error) {
	found, err := o.Carrier.publish(ctx, bundle)
	call, ok := errors.AsType[*callError](err)
	switch {
	case !ok || call.verb != "get":
		return found, err
	case apierrors.IsNotFound(err):
		return outcome{}, nil
	case apierrors.IsForbidden(err):
		return outcome{note: fmt.Sprintf("%s may not be read: left alone, which is right if it is not there", o)}, nil
	}
	return found, err
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
