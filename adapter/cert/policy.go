package cert

import (
	"errors"
	"fmt"
	"time"
)

// Policy says how long certificates live and when they are replaced.
type Policy struct {
	// CALifetime and LeafLifetime count from the moment of issuing. A CA must
	// live at least three times as long as a leaf, so that a CA that is due
	// for replacement still outlives the leaves it has signed.
	CALifetime   time.Duration
	LeafLifetime time.Duration
	// Backdate moves NotBefore into the past, so that a verifier whose clock
	// is behind by less than this accepts a new certificate.
	Backdate time.Duration
	// Settle is how long a new CA is only trusted before it signs its first
	// leaf: the time in which every kube-apiserver sees the new bundle.
	Settle time.Duration
	// Jitter, in [0,1), is this replica's place within the 5 % of a lifetime
	// that follow its 2/3: drawn once per process, it keeps replicas from
	// renewing at the same moment.
	Jitter float64
}

// DefaultLifetime is that of a leaf.
const DefaultLifetime = 30 * 24 * time.Hour

// DefaultPolicy is a CA for a year and a leaf for 30 days, which is thus
// renewed about every 20 days.
func DefaultPolicy() Policy { return PolicyOf(DefaultLifetime) }

// PolicyOf is the policy for a leaf's lifetime. A CA lives a little more than twelve times
// as long, and backdating and settling are no more than a tenth of it: else a leaf of
// less than two hours would be due for renewal when it is made.
func PolicyOf(leaf time.Duration) Policy {
	return Policy{
		CALifetime:   leaf / 30 * 365,
		LeafLifetime: leaf,
		Backdate:     min(time.Hour, leaf/10),
		Settle:       min(time.Minute, leaf/10),
	}
}

// Validate reports every way in which the policy could leave a program
// without a valid certificate.
func (p Policy) Validate() error {
	var errs []error
	if p.LeafLifetime <= 0 {
		errs = append(errs, fmt.Errorf("leaf lifetime %v: must be positive", p.LeafLifetime))
	}
	if p.CALifetime < 3*p.LeafLifetime {
		errs = append(errs, fmt.Errorf("CA lifetime %v: must be at least three times the leaf lifetime %v", p.CALifetime, p.LeafLifetime))
	}
	if p.Backdate < 0 {
		errs = append(errs, fmt.Errorf("backdate %v: must not be negative", p.Backdate))
	}
	if p.Settle < 0 || p.Settle > p.LeafLifetime/10 {
		errs = append(errs, fmt.Errorf("settle time %v: must be between 0 and a tenth of the leaf lifetime %v", p.Settle, p.LeafLifetime))
	}
	if p.Jitter < 0 || p.Jitter >= 1 {
		errs = append(errs, fmt.Errorf("jitter %v: must be in [0,1)", p.Jitter))
	}
	return errors.Join(errs...)
}

// renewAt is when a certificate valid from..to is to be replaced: at 2/3 of
// its life, plus up to 5 % of it by Jitter.
func (p Policy) renewAt(from, to time.Time) time.Time {
	life := to.Sub(from)
	return from.Add(life/3*2 + time.Duration(float64(life)*0.05*p.Jitter))
}
