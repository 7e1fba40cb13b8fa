package cert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/fake"
	"k8s.io/utils/clock"
)

const (
	secretName = "adapter-tls"
	custom     = "v1beta1.custom.metrics.k8s.io"
	external   = "v1beta1.external.metrics.k8s.io"
)

var (
	secretsGVR     = corev1.SchemeGroupVersion.WithResource("secrets")
	apiServicesGVR = apiregistrationv1.SchemeGroupVersion.WithResource("apiservices")
)

// world is an API server with optimistic concurrency, which the plain object
// tracker of client-go does not have.
type world struct {
	t    *testing.T
	core *fake.Clientset
	aggr *aggregator.Clientset

	mu     sync.Mutex
	refuse map[string]error // by "verb resource"
}

func newWorld(t *testing.T, apiServices ...*apiregistrationv1.APIService) *world {
	w := &world{t: t, refuse: map[string]error{}}
	w.core = fake.NewSimpleClientset(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: secretName, ResourceVersion: "1", Labels: map[string]string{"kept": "yes"}},
	})
	w.aggr = aggregator.NewSimpleClientset()
	for _, s := range apiServices {
		if err := w.aggr.Tracker().Add(s); err != nil {
			t.Fatal(err)
		}
	}
	w.core.PrependReactor("update", "secrets", w.updateSecret)
	w.aggr.PrependReactor("patch", "apiservices", w.patchAPIService)
	// Last, and so asked first.
	for _, c := range []interface {
		PrependReactor(verb, resource string, reaction clienttesting.ReactionFunc)
	}{w.core, w.aggr} {
		c.PrependReactor("*", "*", w.refusal)
	}
	w.core.PrependWatchReactor("secrets", func(a clienttesting.Action) (bool, watch.Interface, error) {
		_, _, err := w.refusal(a)
		return err != nil, nil, err
	})
	return w
}

func apiService(name string) *apiregistrationv1.APIService {
	return &apiregistrationv1.APIService{
		ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "1"},
		Spec:       apiregistrationv1.APIServiceSpec{Service: &apiregistrationv1.ServiceReference{Namespace: "ns", Name: "adapter"}},
	}
}

func (w *world) setRefusal(what string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse[what] = err
}

func (w *world) refusal(a clienttesting.Action) (bool, runtime.Object, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.refuse[a.GetVerb()+" "+a.GetResource().Resource]
	return err != nil, nil, err
}

func forbidden(resource, name string) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, name, errors.New("no rule"))
}

func next(version string) string {
	n, _ := strconv.Atoi(version)
	return strconv.Itoa(n + 1)
}

// updateSecret runs under the fake clientset's lock.
func (w *world) updateSecret(a clienttesting.Action) (bool, runtime.Object, error) {
	update := a.(clienttesting.UpdateAction).GetObject().(*corev1.Secret).DeepCopy()
	stored, err := w.core.Tracker().Get(secretsGVR, "ns", update.Name)
	if err != nil {
		return true, nil, err
	}
	if stored.(*corev1.Secret).ResourceVersion != update.ResourceVersion {
		return true, nil, apierrors.NewConflict(secretsGVR.GroupResource(), update.Name, errors.New("changed"))
	}
	update.ResourceVersion = next(update.ResourceVersion)
	return true, update, w.core.Tracker().Update(secretsGVR, update, "ns")
}

func (w *world) patchAPIService(a clienttesting.Action) (bool, runtime.Object, error) {
	p := a.(clienttesting.PatchAction)
	stored, err := w.aggr.Tracker().Get(apiServicesGVR, "", p.GetName())
	if err != nil {
		return true, nil, err
	}
	old := stored.(*apiregistrationv1.APIService)
	before, err := json.Marshal(old)
	if err != nil {
		return true, nil, err
	}
	after, err := jsonpatch.MergePatch(before, p.GetPatch())
	if err != nil {
		return true, nil, err
	}
	patched := &apiregistrationv1.APIService{}
	if err := json.Unmarshal(after, patched); err != nil {
		return true, nil, err
	}
	if patched.ResourceVersion != old.ResourceVersion {
		return true, nil, apierrors.NewConflict(apiServicesGVR.GroupResource(), old.Name, errors.New("changed"))
	}
	if patched.Spec.InsecureSkipTLSVerify && len(patched.Spec.CABundle) > 0 {
		return true, nil, apierrors.NewBadRequest("a caBundle together with insecureSkipTLSVerify")
	}
	patched.ResourceVersion = next(old.ResourceVersion)
	return true, patched, w.aggr.Tracker().Update(apiServicesGVR, patched, "")
}

func (w *world) secret() *corev1.Secret {
	w.t.Helper()
	o, err := w.core.Tracker().Get(secretsGVR, "ns", secretName)
	if err != nil {
		w.t.Fatal(err)
	}
	return o.(*corev1.Secret).DeepCopy()
}

func (w *world) setSecret(data map[string][]byte) {
	w.t.Helper()
	s := w.secret()
	s.Data, s.ResourceVersion = data, next(s.ResourceVersion)
	if err := w.core.Tracker().Update(secretsGVR, s, "ns"); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) apiService(name string) *apiregistrationv1.APIService {
	w.t.Helper()
	o, err := w.aggr.Tracker().Get(apiServicesGVR, "", name)
	if err != nil {
		w.t.Fatal(err)
	}
	return o.(*apiregistrationv1.APIService).DeepCopy()
}

func (w *world) setAPIService(name string, edit func(*apiregistrationv1.APIService)) {
	w.t.Helper()
	s := w.apiService(name)
	edit(s)
	s.ResourceVersion = next(s.ResourceVersion)
	if err := w.aggr.Tracker().Update(apiServicesGVR, s, ""); err != nil {
		w.t.Fatal(err)
	}
}

// trusts fails the test where kube-apiserver would refuse what c serves.
func (w *world) trusts(c *Controller, name string, now time.Time) {
	w.t.Helper()
	bundle, err := parseCerts(w.apiService(name).Spec.CABundle)
	if err != nil {
		w.t.Fatalf("caBundle of %s: %v", name, err)
	}
	if err := verifies(w.t, c.serving.Load().Leaf, bundle, now); err != nil {
		w.t.Errorf("%s: %v", name, err)
	}
}

// journal is a log to look into.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.buf.String(), text)
}

func (j *journal) logger() klog.Logger {
	return textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(j)))
}

func (w *world) controller(log *journal, apiServices ...string) *Controller {
	w.t.Helper()
	c, err := New(Options{
		Namespace: "ns", Secret: secretName, Service: "adapter", ClusterDomain: "cluster.local",
		Carriers: APIServices(w.aggr.ApiregistrationV1().APIServices(), "ns", "adapter", apiServices...),
		Program:  "the adapter", Manifests: "deploy/base",
		Policy: DefaultPolicy(), Interval: time.Minute, StartTimeout: 30 * time.Second,
		Secrets: w.core.CoreV1().Secrets("ns"), Clock: clock.RealClock{}, Log: log.logger(),
	})
	if err != nil {
		w.t.Fatal(fmt.Errorf("options: %w", err))
	}
	return c
}

// hanging is an API server that accepts and never answers.
type hanging struct{ SecretClient }

func (hanging) Get(ctx context.Context, _ string, _ metav1.GetOptions) (*corev1.Secret, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// raced lets somebody else come first, right before the first write.
type raced struct {
	SecretClient
	first func()
}

func (r raced) Update(ctx context.Context, s *corev1.Secret, o metav1.UpdateOptions) (*corev1.Secret, error) {
	r.first()
	return r.SecretClient.Update(ctx, s, o)
}
