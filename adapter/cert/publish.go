package cert

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// publish puts the trusted CAs into each of our carriers. notes are about
// the ones that are not ours. blocked means that one of ours may still hold
// other CAs; one that does not exist holds none, so it is an error but does
// not block. An optional one never does.
func (c *Controller) publish(ctx context.Context) (notes []string, blocked bool, err error) {
	if len(c.trust) == 0 {
		return nil, true, nil
	}
	bundle := encodeCerts(c.trust...)
	var errs []error
	for _, carrier := range c.opts.Carriers {
		note, err := c.publishOne(ctx, carrier, bundle)
		switch {
		case apierrors.IsNotFound(err):
			errs = append(errs, fmt.Errorf("%s does not exist: apply it (%s has it)", carrier, c.opts.Manifests))
		case err != nil:
			_, free := carrier.(optional)
			blocked = blocked || !free
			errs = append(errs, fmt.Errorf("%s: %w", carrier, c.explain(err)))
		case note != "":
			notes = append(notes, note)
		}
	}
	return notes, blocked, errors.Join(errs...)
}

func (c *Controller) publishOne(ctx context.Context, carrier Carrier, bundle []byte) (note string, err error) {
	for range maxConflicts {
		note, err = c.tryPublish(ctx, carrier, bundle)
		// Of two replicas that publish at once, one reads again and is done.
		if !apierrors.IsConflict(err) {
			break
		}
	}
	return note, err
}

func (c *Controller) tryPublish(ctx context.Context, carrier Carrier, bundle []byte) (note string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := carrier.publish(ctx, bundle)
	if err != nil {
		return "", err
	}
	name := carrier.String()
	if found.owner != "" {
		return c.leaveAlone(name, found.owner), nil
	}
	delete(c.foreign, name)
	if found.note != "" {
		return found.note, nil
	}
	switch {
	case !found.changed:
	case bytes.Equal(c.published[name], bundle):
		c.opts.Log.Info("Repaired a caBundle: somebody else had changed how its server is verified", "object", name)
	default:
		c.opts.Log.Info("Published the CA", "object", name, "certificates", len(c.trust))
	}
	c.published[name] = bundle
	return "", nil
}

// leaveAlone says once in the log, and always in the status, whose it is.
func (c *Controller) leaveAlone(name, owner string) string {
	if c.foreign[name] != owner {
		c.opts.Log.Info("An object that is to carry the CA is somebody else's; not touching it", "object", name, "owner", owner)
	}
	c.foreign[name] = owner
	return fmt.Sprintf("%s points to %s, not to %s/%s: left alone", name, owner, c.opts.Namespace, c.opts.Service)
}
