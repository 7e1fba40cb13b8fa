package cert

import (
	"bytes"
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// APIServiceClient is what is needed of the APIServices; the aggregator
// clientset's ApiregistrationV1().APIServices() has it.
type APIServiceClient interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*apiregistrationv1.APIService, error)
	Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions, subresources ...string) (*apiregistrationv1.APIService, error)
}

// APIServices are those of the names. One that points to another Service than the one
// of the namespace is left alone.
func APIServices(client APIServiceClient, namespace, service string, names ...string) []Carrier {
	out := make([]Carrier, 0, len(names))
	for _, name := range names {
		out = append(out, &apiServiceCarrier{client, target{namespace, service}, name})
	}
	return out
}

type apiServiceCarrier struct {
	client APIServiceClient
	target target
	name   string
}

func (a *apiServiceCarrier) String() string { return "apiservice " + a.name }

func (a *apiServiceCarrier) failed(verb string, err error) error {
	return &callError{verb, "apiservices.apiregistration.k8s.io", a.name, err}
}

func (a *apiServiceCarrier) publish(ctx context.Context, bundle []byte) (outcome, error) {
	current, err := a.client.Get(ctx, a.name, metav1.GetOptions{})
	if err != nil {
		return outcome{}, a.failed("get", err)
	}
	ref := current.Spec.Service
	if ref == nil {
		return outcome{owner: "kube-apiserver itself"}, nil
	}
	if owner := a.target.foreign(ref.Namespace, ref.Name); owner != "" {
		return outcome{owner: owner}, nil
	}
	if bytes.Equal(current.Spec.CABundle, bundle) && !current.Spec.InsecureSkipTLSVerify {
		return outcome{}, nil
	}
	patch, err := apiServicePatch(current, bundle)
	if err != nil {
		return outcome{}, err
	}
	if _, err := a.client.Patch(ctx, a.name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return outcome{}, a.failed("patch", err)
	}
	return outcome{changed: true}, nil
}

// apiServicePatch is a JSON merge patch (RFC 7386).
func apiServicePatch(current *apiregistrationv1.APIService, bundle []byte) ([]byte, error) {
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
