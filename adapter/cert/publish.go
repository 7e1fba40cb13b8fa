package cert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

const apiServiceResource = "apiservices.apiregistration.k8s.io"

// publish puts the trusted CAs into each of our APIServices. notes are about
// the ones that are not ours. blocked means that one of ours may still hold
// other CAs; one that does not exist holds none, so it is an error but does
// not block.
func (c *Controller) publish(ctx context.Context) (notes []string, blocked bool, err error) {
	if len(c.trust) == 0 {
		return nil, true, nil
	}
	bundle := encodeCerts(c.trust...)
	var errs []error
	for _, name := range c.opts.APIServices {
		note, err := c.publishOne(ctx, name, bundle)
		switch {
		case apierrors.IsNotFound(err):
			errs = append(errs, fmt.Errorf("apiservice %s does not exist: apply it (deploy/base has it)", name))
		case err != nil:
			blocked = true
			errs = append(errs, fmt.Errorf("apiservice %s: %w", name, err))
		case note != "":
			notes = append(notes, note)
		}
	}
	return notes, blocked, errors.Join(errs...)
}

func (c *Controller) publishOne(ctx context.Context, name string, bundle []byte) (note string, err error) {
	for range maxConflicts {
		note, err = c.tryPublish(ctx, name, bundle)
		// Of two replicas that publish at once, one reads again and is done.
		if !apierrors.IsConflict(err) {
			break
		}
	}
	return note, err
}

func (c *Controller) tryPublish(ctx context.Context, name string, bundle []byte) (note string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	current, err := c.opts.APIServiceClient.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", explain(err, "get", apiServiceResource, name)
	}
	if owner := c.foreignOwner(current); owner != "" {
		return c.leaveAlone(name, owner), nil
	}
	delete(c.foreign, name)
	if bytes.Equal(current.Spec.CABundle, bundle) && !current.Spec.InsecureSkipTLSVerify {
		c.published[name] = bundle
		return "", nil
	}
	patch, err := caPatch(current, bundle)
	if err != nil {
		return "", err
	}
	if _, err := c.opts.APIServiceClient.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return "", explain(err, "patch", apiServiceResource, name)
	}
	if bytes.Equal(c.published[name], bundle) {
		c.opts.Log.Info("Repaired an APIService: somebody else had changed how its server is verified", "apiservice", name)
	} else {
		c.opts.Log.Info("Published the CA in an APIService", "apiservice", name, "certificates", len(c.trust))
	}
	c.published[name] = bundle
	return "", nil
}

// leaveAlone says once in the log, and always in the status, whose it is.
func (c *Controller) leaveAlone(name, owner string) string {
	if c.foreign[name] != owner {
		c.opts.Log.Info("An APIService is somebody else's; not touching it", "apiservice", name, "owner", owner)
	}
	c.foreign[name] = owner
	return fmt.Sprintf("apiservice %s points to %s, not to %s/%s: left alone", name, owner, c.opts.Namespace, c.opts.Service)
}

// foreignOwner names where an APIService points to that is not ours, empty for
// ours.
func (c *Controller) foreignOwner(s *apiregistrationv1.APIService) string {
	switch ref := s.Spec.Service; {
	case ref == nil:
		return "kube-apiserver itself"
	case ref.Namespace != c.opts.Namespace || ref.Name != c.opts.Service:
		return ref.Namespace + "/" + ref.Name
	}
	return ""
}

// caPatch is a JSON merge patch (RFC 7386) that holds only for the version
// that was read: in between, the APIService may have become somebody else's.
func caPatch(current *apiregistrationv1.APIService, bundle []byte) ([]byte, error) {
	spec := map[string]any{"caBundle": bundle}
	if current.Spec.InsecureSkipTLSVerify {
		// Left behind by an earlier provider; the API refuses both together.
		spec["insecureSkipTLSVerify"] = nil
	}
	return json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": current.ResourceVersion},
		"spec":     spec,
	})
}
