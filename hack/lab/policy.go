package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// PolicyDeployment is that of loadline-policy, in AdapterNamespace.
const PolicyDeployment = "loadline-policy"

// ApplyCRD applies deploy/crd and waits until the API server serves the kind.
func (l *Lab) ApplyCRD(ctx context.Context) error {
	objects, err := l.Kustomize(ctx, filepath.Join(l.opts.Root, "deploy", "crd"))
	if err != nil {
		return err
	}
	if err := l.Apply(ctx, objects); err != nil {
		return err
	}
	return Until(ctx, "the kind AutoscalingPolicy", time.Minute, func(ctx context.Context) (bool, string) {
		_, err := l.Raw(ctx, "/apis/"+v1alpha1.GroupVersion.String()+"/"+v1alpha1.Plural)
		if err != nil {
			return false, err.Error()
		}
		return true, ""
	})
}

// StartPolicies applies the CRD and deploy/policy, and waits until its replicas run.
// extra flags are appended.
func (l *Lab) StartPolicies(ctx context.Context, extra ...string) error {
	l.say("Starting loadline-policy from deploy/policy")
	if err := l.ApplyCRD(ctx); err != nil {
		return err
	}
	objects, err := l.PolicyManifests(ctx, extra...)
	if err != nil {
		return err
	}
	if err := l.Apply(ctx, objects); err != nil {
		return err
	}
	return l.Available(ctx, AdapterNamespace, PolicyDeployment, 2*time.Minute)
}

// PolicyManifests renders deploy/policy for the lab. extra flags are appended.
func (l *Lab) PolicyManifests(ctx context.Context, extra ...string) ([]*unstructured.Unstructured, error) {
	return l.RenderPolicy(ctx, filepath.Join("deploy", "policy"), extra...)
}

// RenderPolicy renders a directory of the repository that holds the manifests of
// loadline-policy for the lab. extra flags are appended.
func (l *Lab) RenderPolicy(ctx context.Context, dir string, extra ...string) ([]*unstructured.Unstructured, error) {
	objects, err := l.Kustomize(ctx, filepath.Join(l.opts.Root, dir))
	if err != nil {
		return nil, err
	}
	flags := append([]string{"--metrics-bind-address=$(POD_IP):8080", "--health-probe-bind-address=$(POD_IP):8081", "--v=2"}, extra...)
	if l.opts.HPASyncPeriod > 0 {
		flags = append([]string{"--hpa-sync-period=" + l.opts.HPASyncPeriod.String()}, flags...)
	}
	for _, o := range objects {
		if o.GetKind() == "Deployment" && o.GetName() == PolicyDeployment {
			if err := editContainer(o, "loadline-policy:local", flags); err != nil {
				return nil, err
			}
		}
	}
	return objects, nil
}

// Policies lists the AutoscalingPolicies of a namespace.
func (l *Lab) Policies(ctx context.Context, namespace string) ([]v1alpha1.AutoscalingPolicy, error) {
	data, err := l.Raw(ctx, policiesPath(namespace))
	if err != nil {
		return nil, err
	}
	var list v1alpha1.AutoscalingPolicyList
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("policies of namespace %s: %w", namespace, err)
	}
	return list.Items, nil
}

// MergePolicy applies a JSON merge patch, given as a value, to an AutoscalingPolicy.
func (l *Lab) MergePolicy(ctx context.Context, namespace, name string, patch any) error {
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	request := l.Client.Discovery().RESTClient().Patch(types.MergePatchType)
	if err := request.AbsPath(policiesPath(namespace), name).Body(data).Do(ctx).Error(); err != nil {
		return fmt.Errorf("AutoscalingPolicy %s/%s: %w", namespace, name, err)
	}
	return nil
}

func policiesPath(namespace string) string {
	return "/apis/" + v1alpha1.GroupVersion.String() + "/namespaces/" + namespace + "/" + v1alpha1.Plural
}
