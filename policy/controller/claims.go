package controller

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// claims are the targets for which a write that takes them is under way. Between
// such a write and the moment at which the cache shows it, two policies that are
// worked on at once would both find the target free.
//
// A policy takes the claim, decides once more by what the cache has then, writes, and
// drops the claim at its next turn, when the cache shows the write.
type claims struct {
	mu       sync.Mutex
	byTarget map[target]types.NamespacedName
}

// take says whether policy has the claim on t now.
func (c *claims) take(t target, policy types.NamespacedName) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byTarget == nil {
		c.byTarget = map[target]types.NamespacedName{}
	}
	holder, held := c.byTarget[t]
	if !held {
		c.byTarget[t] = policy
		return true
	}
	return holder == policy
}

// holder is the policy that has the claim on t.
func (c *claims) holder(t target) (policy types.NamespacedName, held bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	policy, held = c.byTarget[t]
	return policy, held
}

// drop gives up all claims of a policy.
func (c *claims) drop(policy types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t, holder := range c.byTarget {
		if holder == policy {
			delete(c.byTarget, t)
		}
	}
}
