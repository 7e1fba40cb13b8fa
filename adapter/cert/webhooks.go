package cert

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// WebhookClient is what is needed of the ValidatingWebhookConfigurations;
// kubernetes.Interface's AdmissionregistrationV1().ValidatingWebhookConfigurations()
// has it.
type WebhookClient interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*admissionv1.ValidatingWebhookConfiguration, error)
	Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions, subresources ...string) (*admissionv1.ValidatingWebhookConfiguration, error)
}

// Webhooks is the ValidatingWebhookConfiguration of a name. Of its webhooks those are
// left alone that point to another Service than the one of the namespace.
func Webhooks(client WebhookClient, namespace, service, name string) Carrier {
	return &webhooksCarrier{client, target{namespace, service}, name}
}

type webhooksCarrier struct {
	client WebhookClient
	target target
	name   string
}

func (w *webhooksCarrier) String() string { return "validatingwebhookconfiguration " + w.name }

func (w *webhooksCarrier) failed(verb string, err error) error {
	return &callError{verb, "validatingwebhookconfigurations.admissionregistration.k8s.io", w.name, err}
}

func (w *webhooksCarrier) publish(ctx context.Context, bundle []byte) (outcome, error) {
	current, err := w.client.Get(ctx, w.name, metav1.GetOptions{})
	if err != nil {
		return outcome{}, w.failed("get", err)
	}
	stale, owner := w.stale(current, bundle)
	if len(stale) == 0 {
		return outcome{owner: owner}, nil
	}
	patch, err := webhooksPatch(current.ResourceVersion, stale, bundle)
	if err != nil {
		return outcome{}, err
	}
	if _, err := w.client.Patch(ctx, w.name, types.JSONPatchType, patch, metav1.PatchOptions{}); err != nil {
		return outcome{}, w.failed("patch", err)
	}
	return outcome{changed: true}, nil
}

// stale are the places of those of our webhooks that have other CAs. owner is set where
// none of them is ours.
func (w *webhooksCarrier) stale(current *admissionv1.ValidatingWebhookConfiguration, bundle []byte) (places []int, owner string) {
	owner = "no Service"
	ours := false
	for i := range current.Webhooks {
		config := &current.Webhooks[i].ClientConfig
		if config.Service == nil {
			continue
		}
		if foreign := w.target.foreign(config.Service.Namespace, config.Service.Name); foreign != "" {
			owner = foreign
			continue
		}
		ours = true
		if !bytes.Equal(config.CABundle, bundle) {
			places = append(places, i)
		}
	}
	if ours {
		owner = ""
	}
	return places, owner
}

// webhooksPatch is a JSON patch (RFC 6902), since a merge patch would take the list as
// a whole. A resourceVersion in what it leads to is checked as that of an update is.
func webhooksPatch(version string, places []int, bundle []byte) ([]byte, error) {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	patch := []operation{{"add", "/metadata/resourceVersion", version}}
	for _, i := range places {
		patch = append(patch, operation{"add", fmt.Sprintf("/webhooks/%d/clientConfig/caBundle", i), bundle})
	}
	return json.Marshal(patch)
}
