package cert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	callTimeout  = 5 * time.Second
	maxConflicts = 5
	// minWriteInterval keeps somebody who empties the Secret in a loop, or a
	// replica whose clock is far off, from making this a busy loop of writes.
	minWriteInterval = 10 * time.Second
)

// sync looks at everything once and puts right what it can. An error is what
// could not be done; the rest is done nevertheless.
func (c *Controller) sync(ctx context.Context) error {
	c.syncing.Lock()
	defer c.syncing.Unlock()

	d, secretErr := c.syncSecret(ctx)
	if len(d.Trust) > 0 {
		c.trust = d.Trust
	}
	notes, blocked, publishErr := c.publish(ctx)
	heldErr := c.adopt(d.Pair, blocked)

	err := errors.Join(secretErr, publishErr, heldErr)
	if ctx.Err() == nil {
		c.report(notes, secretErr, publishErr, heldErr)
	}
	return err
}

// syncSecret brings the Secret to where Decide keeps it. The decision returned
// is about what the Secret holds in the end, which may be usable even if
// there is an error too.
func (c *Controller) syncSecret(ctx context.Context) (Decision, error) {
	for range maxConflicts {
		d, done, err := c.trySecret(ctx)
		if done || err != nil {
			return d, err
		}
	}
	return Decision{}, fmt.Errorf("secret %s/%s: changed %d times while it was being updated", c.opts.Namespace, c.opts.Secret, maxConflicts)
}

// trySecret is one read and, where needed, one write; not done means that
// another writer came first.
func (c *Controller) trySecret(ctx context.Context) (d Decision, done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	secret, err := c.opts.Secrets.Get(ctx, c.opts.Secret, metav1.GetOptions{})
	if err != nil {
		return Decision{}, false, c.secretError(err, "get")
	}
	now := c.opts.Clock.Now()
	d = Decide(now, secret.Data, c.names, c.opts.Policy)
	if d.Action == Keep {
		return d, true, nil
	}
	if since := now.Sub(c.lastWrite); !c.lastWrite.IsZero() && since >= 0 && since < minWriteInterval {
		return d, false, fmt.Errorf("secret %s/%s: needs %q again right after it was written: find out who else writes to it (%s)",
			c.opts.Namespace, c.opts.Secret, d.Action, d.Reason)
	}
	entries, err := Issue(now, d, c.names, c.opts.Policy)
	if err != nil {
		return d, false, err
	}
	next := secret.DeepCopy()
	if next.Data == nil {
		next.Data = map[string][]byte{}
	}
	for k, v := range entries {
		next.Data[k] = v
	}
	written, err := c.opts.Secrets.Update(ctx, next, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		return d, false, nil
	}
	if err != nil {
		return d, false, c.secretError(err, "update")
	}
	c.lastWrite = now
	c.opts.Log.Info("Wrote the serving certificate's Secret", "action", d.Action.String(), "reason", d.Reason)
	return Decide(now, written.Data, c.names, c.opts.Policy), true, nil
}

func (c *Controller) secretError(err error, verb string) error {
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("secret %s/%s does not exist: create it empty (%s has it); %s may not create Secrets: %w", c.opts.Namespace, c.opts.Secret, c.opts.Manifests, c.opts.Program, err)
	}
	return fmt.Errorf("secret %s/%s: %w", c.opts.Namespace, c.opts.Secret, c.explain(&callError{verb, "secrets", c.opts.Secret, err}))
}

// adopt serves pair, unless kube-apiserver may not know its CA yet and there
// is a valid certificate to stay with.
func (c *Controller) adopt(pair *Pair, blocked bool) error {
	current := c.serving.Load()
	if pair == nil || (current != nil && current.Leaf.Equal(pair.Leaf)) {
		return nil
	}
	if blocked && current != nil &&
		!bytes.Equal(current.Leaf.RawIssuer, pair.Leaf.RawIssuer) &&
		c.opts.Clock.Now().Before(current.Leaf.NotAfter) {
		return errors.New("a certificate of a new CA is held back until the CA is published")
	}
	c.serve(pair)
	return nil
}
