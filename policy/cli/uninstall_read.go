package cli

import (
	"context"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// component is the label that all objects of deploy/policy and its components bear, and the name of the
// Lease that its pods make.
const (
	component = "app.kubernetes.io/name=loadline-policy"
	leaseName = "loadline-policy"
)

// kind is a kind of objects that deploy/policy or a component of it has.
type kind struct {
	resource schema.GroupVersionResource
	name     string
}

func gvr(group, version, plural string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: version, Resource: plural}
}

func crdsResource() schema.GroupVersionResource {
	return gvr("apiextensions.k8s.io", "v1", "customresourcedefinitions")
}

func podsResource() schema.GroupVersionResource { return gvr("", "v1", "pods") }

func leasesResource() schema.GroupVersionResource { return gvr("coordination.k8s.io", "v1", "leases") }

// webhooks are asked before the objects that they are about are stored.
func webhooks() kind {
	return kind{gvr("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"), "ValidatingWebhookConfiguration"}
}

// deployments are what runs loadline-policy.
func deployments() kind { return kind{gvr("apps", "v1", "deployments"), "Deployment"} }

// otherKinds are those besides the webhooks, the Deployment and its pods.
func otherKinds() []kind {
	const rbac, admission = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
	return []kind{
		{gvr("policy", "v1", "poddisruptionbudgets"), "PodDisruptionBudget"},
		{gvr("", "v1", "services"), "Service"},
		{gvr("", "v1", "secrets"), "Secret"},
		{gvr("networking.k8s.io", "v1", "networkpolicies"), "NetworkPolicy"},
		{gvr("", "v1", "serviceaccounts"), "ServiceAccount"},
		{gvr(rbac, "v1", "rolebindings"), "RoleBinding"},
		{gvr(rbac, "v1", "roles"), "Role"},
		{gvr(rbac, "v1", "clusterrolebindings"), "ClusterRoleBinding"},
		{gvr(rbac, "v1", "clusterroles"), "ClusterRole"},
		{gvr(admission, "v1", "validatingadmissionpolicybindings"), "ValidatingAdmissionPolicyBinding"},
		{gvr(admission, "v1", "validatingadmissionpolicies"), "ValidatingAdmissionPolicy"},
	}
}

// operatorKinds are those of the Prometheus operator and of cert-manager, which not every
// cluster has.
func operatorKinds() []kind {
	const operator, issues = "monitoring.coreos.com", "cert-manager.io"
	return []kind{
		{gvr(operator, "v1", "podmonitors"), "PodMonitor"}, {gvr(operator, "v1", "prometheusrules"), "PrometheusRule"},
		{gvr(issues, "v1", "certificates"), "Certificate"}, {gvr(issues, "v1", "issuers"), "Issuer"},
	}
}

// uninstaller reads and changes a cluster.
type uninstaller struct {
	*cluster
	timeout time.Duration
	now     func() time.Time
}

// read takes the inventory.
func (u *uninstaller) read(ctx context.Context) (inventory, error) {
	var found inventory
	var err error
	if found.webhooks, err = u.labelled(ctx, webhooks()); err != nil {
		return found, err
	}
	if found.deployments, err = u.labelled(ctx, deployments()); err != nil {
		return found, err
	}
	if found.pods, err = u.pods(ctx); err != nil {
		return found, err
	}
	if found.leaders, err = u.leaders(ctx); err != nil {
		return found, err
	}
	if found.hpas, err = u.ours(ctx); err != nil {
		return found, err
	}
	if found.crd, err = u.one(ctx, kind{crdsResource(), "CustomResourceDefinition"}, "", v1alpha1.Plural+"."+v1alpha1.GroupVersion.Group); err != nil {
		return found, err
	}
	if found.crd != nil {
		policies, err := list[metav1.PartialObjectMetadata](ctx, u.cluster, policiesResource(), scope{})
		if err != nil && !apierrors.IsNotFound(err) {
			return found, err
		}
		found.policies = len(policies)
	}
	for _, k := range otherKinds() {
		objects, err := u.labelled(ctx, k)
		if err != nil {
			return found, err
		}
		found.others = append(found.others, objects...)
	}
	for _, k := range operatorKinds() {
		objects, err := u.labelled(ctx, k)
		if err != nil && !apierrors.IsNotFound(err) {
			return found, err
		}
		found.others = append(found.others, objects...)
	}
	leases, err := u.leases(ctx, found.others)
	found.others = append(leases, found.others...)
	return found, err
}

// ours are the HPAs that are to be let go.
func (c *cluster) ours(ctx context.Context) ([]autoscalingv2.HorizontalPodAutoscaler, error) {
	all, err := list[autoscalingv2.HorizontalPodAutoscaler](ctx, c, hpasResource(), scope{})
	return slices.DeleteFunc(all, func(h autoscalingv2.HorizontalPodAutoscaler) bool { return !concerns(&h) }), err
}

// labelled returns the objects of a kind that are loadline-policy's, in all namespaces.
func (c *cluster) labelled(ctx context.Context, k kind) ([]object, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := c.client.Resource(k.resource).List(ctx, metav1.ListOptions{LabelSelector: component})
	if err != nil {
		return nil, err
	}
	var all []object
	for _, u := range list.Items {
		if u.GetDeletionTimestamp() == nil {
			all = append(all, object{resource: k.resource, kind: k.name, namespace: u.GetNamespace(), name: u.GetName(), uid: u.GetUID()})
		}
	}
	return all, nil
}

// pods counts those of loadline-policy that may still write, which those that are to
// end do until they have.
func (c *cluster) pods(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := c.client.Resource(podsResource()).List(ctx, metav1.ListOptions{LabelSelector: component, FieldSelector: "status.phase!=Succeeded,status.phase!=Failed"})
	if err != nil {
		return 0, err
	}
	return len(list.Items), nil
}

// one returns an object by its name, nil if there is none.
func (c *cluster) one(ctx context.Context, k kind, namespace, name string) (*object, error) {
	u, err := c.get(ctx, k.resource, namespace, name)
	if u == nil || err != nil {
		return nil, err
	}
	return &object{resource: k.resource, kind: k.name, namespace: namespace, name: name, uid: u.GetUID()}, nil
}

// leases returns the Lease in each namespace in which there is an account that may hold
// it. Nobody labels it.
func (u *uninstaller) leases(ctx context.Context, others []object) ([]object, error) {
	var all []object
	for _, o := range others {
		if o.kind != "ServiceAccount" {
			continue
		}
		lease, err := u.one(ctx, kind{leasesResource(), "Lease"}, o.namespace, leaseName)
		if err != nil {
			return nil, err
		}
		if lease != nil {
			all = append(all, *lease)
		}
	}
	return all, nil
}
