package cert

import (
	"crypto/x509"
	"fmt"
	"time"
)

// Action is what the Secret needs.
type Action int

// The actions, from the least to the most drastic one.
const (
	// Keep: nothing is due.
	Keep Action = iota
	// RenewLeaf: the CA signs a new leaf.
	RenewLeaf
	// StageCA: a new CA joins the trusted ones; the leaf stays.
	StageCA
	// Replace: a new CA signs a new leaf at once; nothing usable is there.
	Replace
)

func (a Action) String() string {
	switch a {
	case Keep:
		return "keep"
	case RenewLeaf:
		return "renew leaf"
	case StageCA:
		return "stage CA"
	case Replace:
		return "replace CA and leaf"
	}
	return fmt.Sprintf("Action(%d)", int(a))
}

// Decision is what Decide found in a Secret and wants done about it.
type Decision struct {
	Action Action
	// Reason says why, for the log; empty for Keep.
	Reason string
	// Pair is the leaf to serve until the action is done; nil when the Secret
	// has none that is valid.
	Pair *Pair
	// Trust are the CAs of the Secret that are worth trusting, the signing one
	// first.
	Trust []*x509.Certificate

	ca *authority
}

// Decide says what a Secret's data need at the time now, so that it holds a
// leaf valid for all of names. It never fails: data that cannot be used, for
// whatever reason, are data to be replaced.
func Decide(now time.Time, data map[string][]byte, names []string, policy Policy) Decision {
	var d Decision
	d.Trust = parseTrust(data[keyCACert], now)
	ca, caErr := parseAuthority(data, now)
	pair, leafErr := parseLeaf(data, d.Trust, names, now)
	d.ca, d.Pair = ca, pair

	switch {
	case caErr != nil && leafErr != nil:
		d.Action, d.Reason = Replace, fmt.Sprintf("%v; %v", caErr, leafErr)
	case leafErr != nil:
		d.Action, d.Reason = RenewLeaf, leafErr.Error()
	case caErr != nil:
		d.Action, d.Reason = StageCA, caErr.Error()
	case !now.Before(policy.renewAt(ca.cert.NotBefore, ca.cert.NotAfter)):
		d.Action, d.Reason = StageCA, "the CA expires at "+ca.cert.NotAfter.Format(time.RFC3339)
	case !now.Before(policy.renewAt(pair.Leaf.NotBefore, pair.Leaf.NotAfter)) && (settled(now, ca.cert, policy) || late(now, pair.Leaf)):
		d.Action, d.Reason = RenewLeaf, "the certificate expires at "+pair.Leaf.NotAfter.Format(time.RFC3339)
	}
	return d
}

// settled says whether every kube-apiserver has had the time to see the CA.
// Only a renewal that could as well come later waits for it.
func settled(now time.Time, ca *x509.Certificate, policy Policy) bool {
	return !now.Before(ca.NotBefore.Add(policy.Backdate + policy.Settle))
}

// late says whether a leaf can wait no longer: a CA that was made under another policy, with
// less backdating, seems to settle for as long as that differs.
func late(now time.Time, leaf *x509.Certificate) bool {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return !now.Before(leaf.NotBefore.Add(life / 4 * 3))
}
