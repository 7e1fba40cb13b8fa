package cert

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/utils/clock"
)

// configurations is an API server with one ValidatingWebhookConfiguration and optimistic
// concurrency.
type configurations struct {
	mu      sync.Mutex
	stored  *admissionv1.ValidatingWebhookConfiguration // nil: there is none
	refusal error                                       // of a patch
	before  func()                                      // each patch
	patches int
}

var configurationsGR = schema.GroupResource{Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations"}

func (c *configurations) Get(_ context.Context, name string, _ metav1.GetOptions) (*admissionv1.ValidatingWebhookConfiguration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stored == nil {
		return nil, apierrors.NewNotFound(configurationsGR, name)
	}
	return c.stored.DeepCopy(), nil
}

func (c *configurations) Patch(_ context.Context, name string, of types.PatchType, data []byte, _ metav1.PatchOptions, _ ...string) (*admissionv1.ValidatingWebhookConfiguration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.before != nil {
		c.before()
	}
	if c.refusal != nil || of != types.JSONPatchType {
		return nil, c.refusal
	}
	patch, err := jsonpatch.DecodePatch(data)
	if err != nil {
		return nil, err
	}
	was, err := json.Marshal(c.stored)
	if err != nil {
		return nil, err
	}
	is, err := patch.Apply(was)
	if err != nil {
		return nil, err
	}
	changed := &admissionv1.ValidatingWebhookConfiguration{}
	if err := json.Unmarshal(is, changed); err != nil {
		return nil, err
	}
	if changed.ResourceVersion != c.stored.ResourceVersion {
		return nil, apierrors.NewConflict(configurationsGR, name, errors.New("changed"))
	}
	changed.ResourceVersion = next(changed.ResourceVersion)
	c.stored = changed
	c.patches++
	return changed, nil
}

// configuration has a webhook for each Service, and one without.
func configuration(services ...string) *admissionv1.ValidatingWebhookConfiguration {
	path := "/x"
	out := &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "hooks", ResourceVersion: "1", Labels: map[string]string{"kept": "yes"}}}
	for _, s := range services {
		config := admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: "ns", Name: s, Path: &path}}
		out.Webhooks = append(out.Webhooks, admissionv1.ValidatingWebhook{Name: s + ".loadline.dev", ClientConfig: config})
	}
	url := "https://elsewhere.example"
	out.Webhooks = append(out.Webhooks, admissionv1.ValidatingWebhook{Name: "url.example", ClientConfig: admissionv1.WebhookClientConfig{URL: &url}})
	return out
}

func TestWebhooks(t *testing.T) {
	forbiddenPatch := apierrors.NewForbidden(configurationsGR, "hooks", errors.New("no rule"))
	bundle := []byte("CA")
	with := func(c *admissionv1.ValidatingWebhookConfiguration, at ...int) *admissionv1.ValidatingWebhookConfiguration {
		for _, i := range at {
			c.Webhooks[i].ClientConfig.CABundle = bundle
		}
		return c
	}
	tests := map[string]struct {
		stored  *admissionv1.ValidatingWebhookConfiguration
		refusal error
		want    outcome
		err     string
		is      *admissionv1.ValidatingWebhookConfiguration // but for its version
		patches int
	}{
		"empty":        {stored: configuration("hook", "hook"), want: outcome{changed: true}, is: with(configuration("hook", "hook"), 0, 1), patches: 1},
		"one is stale": {stored: with(configuration("hook", "hook"), 0), want: outcome{changed: true}, is: with(configuration("hook", "hook"), 0, 1), patches: 1},
		"as it is":     {stored: with(configuration("hook"), 0), is: with(configuration("hook"), 0)},
		"one is ours":  {stored: configuration("other", "hook"), want: outcome{changed: true}, is: with(configuration("other", "hook"), 1), patches: 1},
		"somebody's":   {stored: configuration("other"), want: outcome{owner: "ns/other"}, is: configuration("other")},
		"no Service's": {stored: configuration(), want: outcome{owner: "no Service"}, is: configuration()},
		"not there":    {err: `get: validatingwebhookconfigurations.admissionregistration.k8s.io "hooks" not found`},
		"no right": {stored: configuration("hook"), refusal: forbiddenPatch, is: configuration("hook"),
			err: `patch: validatingwebhookconfigurations.admissionregistration.k8s.io "hooks" is forbidden: no rule`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &configurations{stored: tt.stored, refusal: tt.refusal}
			got, err := Webhooks(c, "ns", "hook", "hooks").publish(t.Context(), bundle)
			if text := fmt.Sprint(err); text != tt.err && (err != nil || tt.err != "") {
				t.Errorf("got %s, want %s", text, tt.err)
			}
			if got != tt.want || c.patches != tt.patches {
				t.Errorf("%+v after %d patches, want %+v after %d", got, c.patches, tt.want, tt.patches)
			}
			if c.stored != nil {
				c.stored.ResourceVersion = "1"
			}
			if diff := cmp.Diff(tt.is, c.stored); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A controller that has webhooks in place of APIServices: it publishes before it serves,
// comes second where somebody else is faster, and says which right is missing.
func TestWebhooksAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := &configurations{stored: configuration("adapter")}
		raced := false
		c.before = func() {
			if !raced {
				raced = true
				c.stored.Webhooks = append(configuration("other").Webhooks[:1], c.stored.Webhooks...)
				c.stored.ResourceVersion = next(c.stored.ResourceVersion)
			}
		}
		var log journal
		controller, err := New(Options{
			Namespace: "ns", Secret: secretName, Service: "adapter", Program: "loadline-policy", Manifests: "deploy/x",
			Carriers: []Carrier{Webhooks(c, "ns", "adapter", "hooks")},
			Policy:   DefaultPolicy(), Interval: time.Minute, StartTimeout: 30 * time.Second,
			Secrets: w.core.CoreV1().Secrets("ns"), Clock: clock.RealClock{}, Log: log.logger(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := controller.GetCertificate(nil); err == nil {
			t.Error("a certificate before there is one")
		}
		run(t, controller)
		served, err := controller.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		bundle, err := parseCerts(c.stored.Webhooks[1].ClientConfig.CABundle)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifies(t, served.Leaf, bundle, time.Now()); err != nil {
			t.Error(err)
		}
		// Somebody has put another webhook in front just before the patch.
		if len(c.stored.Webhooks) != 3 || c.stored.Webhooks[0].ClientConfig.CABundle != nil || c.stored.Webhooks[2].ClientConfig.CABundle != nil {
			t.Errorf("somebody else's was changed: %v", c.stored)
		}
		c.mu.Lock()
		c.stored.Webhooks[1].ClientConfig.CABundle = nil
		c.refusal = apierrors.NewForbidden(configurationsGR, "hooks", errors.New("no rule"))
		c.mu.Unlock()
		pass(time.Minute)
		want := []string{`validatingwebhookconfiguration hooks: allow loadline-policy's ServiceAccount the verb "patch" on ` +
			`validatingwebhookconfigurations.admissionregistration.k8s.io with resourceNames ["hooks"] (deploy/x has the rule): ` + c.refusal.Error()}
		if diff := cmp.Diff(want, controller.Status().Problems); diff != "" {
			t.Error(diff)
		}
	})
}
