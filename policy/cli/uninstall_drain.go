package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
)

// lease is a Lease of loadline-policy as it was held at one reading.
type lease struct {
	object
	resourceVersion string
	holder          string
	// lasts is how long one that nobody renews is anybody's.
	lasts time.Duration
}

// leaders are the Leases of loadline-policy that have a holder, in all namespaces. Labels
// are the owner's to change: a loadline-policy that does not bear ours any more, or runs
// outside the cluster, is known by the Lease that it renews.
func (c *cluster) leaders(ctx context.Context) ([]lease, error) {
	all, err := list[coordinationv1.Lease](ctx, c, leasesResource(), scope{name: leaseName})
	if err != nil {
		return nil, err
	}
	var held []lease
	for _, l := range all {
		holder := ptr.Deref(l.Spec.HolderIdentity, "")
		if holder == "" {
			continue
		}
		held = append(held, lease{
			object:          object{resource: leasesResource(), kind: "Lease", namespace: l.Namespace, name: l.Name, uid: l.UID},
			resourceVersion: l.ResourceVersion, holder: holder,
			lasts: time.Duration(ptr.Deref(l.Spec.LeaseDurationSeconds, 15)) * time.Second,
		})
	}
	return held, nil
}

// still remembers how long Leases have not been renewed, by this program's own clock:
// that of whoever writes a renewTime may be another.
type still map[string]stillSince

type stillSince struct {
	resourceVersion string
	since           time.Time
}

// sort tells the Leases that somebody renews from those that nobody has for as long as
// they last.
func (s still) sort(held []lease, now time.Time) (renewed, stale []lease) {
	for _, l := range held {
		key := l.namespace + "/" + string(l.uid)
		was, known := s[key]
		if !known || was.resourceVersion != l.resourceVersion {
			was = stillSince{l.resourceVersion, now}
			s[key] = was
		}
		if now.Sub(was.since) > l.lasts {
			stale = append(stale, l)
		} else {
			renewed = append(renewed, l)
		}
	}
	return renewed, stale
}

// drain waits until nobody writes HPAs any more: no pod of loadline-policy is left, and
// nobody renews its Lease. One that its holder had no time to give up is deleted.
func (u *uninstaller) drain(ctx context.Context) error {
	seen, left := still{}, ""
	err := wait.PollUntilContextTimeout(ctx, 500*time.Millisecond, u.timeout, true, func(ctx context.Context) (bool, error) {
		n, err := u.pods(ctx)
		if err != nil {
			return false, err
		}
		held, err := u.leaders(ctx)
		if err != nil {
			return false, err
		}
		if left = fmt.Sprintf("%d pods are still there", n); n > 0 {
			return false, nil
		}
		renewed, stale := seen.sort(held, u.now())
		for _, l := range renewed {
			left = fmt.Sprintf("%s still renews the %s: a loadline-policy runs there that does not bear the label %s, so stop it yourself", l.holder, l.object, component)
		}
		if len(renewed) > 0 {
			return false, nil
		}
		for _, l := range stale {
			if err := u.deleteStale(ctx, l); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("after %s %s; then call this again", u.timeout, left)
	}
	return err
}

// deleteStale deletes a Lease unless somebody has renewed it.
func (u *uninstaller) deleteStale(ctx context.Context, l lease) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := u.client.Resource(l.resource).Namespace(l.namespace).Delete(ctx, l.name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &l.uid, ResourceVersion: &l.resourceVersion},
	})
	if apierrors.IsConflict(err) {
		return fmt.Errorf("%s renews the %s again: stop it, then call this again", l.holder, l.object)
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
