package doctor

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// restore is what brings the role back as Kubernetes has it.
const restore = "restore the ClusterRole and the ClusterRoleBinding " + ControllerRole + ": kube-apiserver does at its start, unless their annotation rbac.authorization.kubernetes.io/autoupdate is false"

// checkRole looks at what the HPA controller may: by reviews or, where these are refused, by
// the role that Kubernetes gives it.
func checkRole(s *Snapshot, o *outcome) {
	var refused []string
	var unread *Unread
	for _, a := range s.Access {
		switch {
		case a.Allowed.Unread != nil:
			unread = a.Allowed.Unread
		case !a.Allowed.Value:
			refused = append(refused, a.String())
		}
	}
	if len(refused) > 0 {
		o.fail(restore, "%s may not %s", ControllerUser, strings.Join(refused, ", nor "))
	}
	switch {
	case unread != nil:
		s.byRole(unread, o)
	case len(refused) == 0:
		o.ok("%s may read the three metrics APIs and scale", ControllerUser)
	}
}

// String is what is done, in the words of rights.
func (a Access) String() string {
	if a.Group == "" {
		return a.Verb + " " + a.Resource
	}
	return a.Verb + " " + a.Resource + " in the group " + a.Group
}

// byRole goes by the role that is bound; others may give the same rights.
func (s *Snapshot) byRole(unread *Unread, o *outcome) {
	for _, u := range []*Unread{s.Role.Unread, s.RoleBinding.Unread} {
		switch {
		case u != nil && u.Absent:
			o.fail(restore, "there is no ClusterRole or no ClusterRoleBinding %s", ControllerRole)
			return
		case u != nil:
			o.unread("what the HPA controller may could not be asked", unread)
			o.unread("nor could its role be read", u)
			return
		}
	}
	if b := s.RoleBinding.Value; b.RoleRef.Kind != "ClusterRole" || b.RoleRef.Name != ControllerRole || !slices.ContainsFunc(b.Subjects, isController) {
		o.fail(restore, "the ClusterRoleBinding %s does not bind %s", ControllerRole, ControllerUser)
		return
	}
	var lacking []string
	for _, a := range s.Access {
		if !slices.ContainsFunc(s.Role.Value.Rules, a.in) {
			lacking = append(lacking, a.String())
		}
	}
	if len(lacking) > 0 {
		o.fail(restore, "the ClusterRole %s does not let the HPA controller %s", ControllerRole, strings.Join(lacking, ", nor "))
		return
	}
	o.ok("the ClusterRole %s lets the HPA controller read the three metrics APIs and scale", ControllerRole)
}

func isController(subject rbacv1.Subject) bool {
	return subject.Kind == rbacv1.ServiceAccountKind && fmt.Sprintf("system:serviceaccount:%s:%s", subject.Namespace, subject.Name) == ControllerUser
}

// in says whether a rule allows it, as RBAC's authorizer reads rules.
func (a Access) in(rule rbacv1.PolicyRule) bool {
	has := func(list []string, item string) bool {
		return slices.Contains(list, item) || slices.Contains(list, "*")
	}
	_, sub, isSub := strings.Cut(a.Resource, "/")
	resource := has(rule.Resources, a.Resource) || isSub && slices.Contains(rule.Resources, "*/"+sub)
	return len(rule.ResourceNames) == 0 && has(rule.Verbs, a.Verb) && has(rule.APIGroups, a.Group) && resource
}
