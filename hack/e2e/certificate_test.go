//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/cert"

	"github.com/loadline/loadline/hack/lab"
)

// Test9GivenCertificate: with the overlay given-certificate, and without the
// rights and the Secret of the self-managed certificate, both replicas serve the
// certificate of the Secret that the overlay names, and kube-apiserver finds the
// APIs available by the CA that it was given, which nobody changes. When the
// Secret changes, both serve the new certificate without a restart, and no read
// through kube-apiserver fails, from the change to five seconds after.
func Test9GivenCertificate(t *testing.T) {
	first, second := given(t), given(t)
	setSecret(t, first)
	// Both CAs from the start, as where a CA is renewed.
	trusted := base64.StdEncoding.EncodeToString(slices.Concat(first.cert, second.cert))
	startGiven(t, trusted)
	pods := adapterPods(t)
	if len(pods) != 2 {
		t.Fatalf("%d adapters are ready, want 2", len(pods))
	}
	serves(t, pods, first, 10*time.Second)
	system.Until(t, "the APIs", 30*time.Second, func(ctx context.Context) (bool, string) {
		problem := unavailable(ctx)
		return problem == "", problem
	})
	othersServed(t) // by each of the two

	before, stop := usages(t), reading(t)
	setSecret(t, second)
	// The file is written when the node hears of the Secret; the adapter watches it.
	serves(t, pods, second, 90*time.Second)
	system.Pause(t, 5*time.Second)
	reads, slowest := stop()
	t.Logf("%d reads while the certificate changed, the slowest in %s", reads, slowest.Round(time.Millisecond))

	for pod, is := range usages(t) {
		if was, same := before[pod]; !same || was.restarts != is.restarts {
			t.Errorf("%s was restarted", pod)
		}
	}
	for _, name := range apiServices {
		api, err := apiService(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if bundle, _, _ := unstructured.NestedString(api.Object, "spec", "caBundle"); bundle != trusted {
			t.Errorf("the caBundle of %s was changed", name)
		}
	}
	if problem := unavailable(t.Context()); problem != "" {
		t.Error(problem)
	}
}

// startGiven takes the self-managed certificate away and starts the adapter from
// the overlay, with caBundle in the APIServices, for the test's time.
func startGiven(t *testing.T, caBundle string) {
	t.Helper()
	base, err := system.AdapterManifests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	selfManaged := []*unstructured.Unstructured{
		lab.Find(base, "Secret", "loadline-adapter-tls"),
		lab.Find(base, "Role", "loadline-adapter-certificate"), lab.Find(base, "RoleBinding", "loadline-adapter-certificate"),
		lab.Find(base, "ClusterRole", "loadline-adapter-certificate"), lab.Find(base, "ClusterRoleBinding", "loadline-adapter-certificate"),
	}
	if slices.Contains(selfManaged, nil) {
		t.Fatalf("deploy/base has changed its names: %v", selfManaged)
	}
	overlay, err := adapterManifests(t.Context(), filepath.Join("hack", "e2e", "given-certificate"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range selfManaged {
		if lab.Find(overlay, o.GetKind(), o.GetName()) != nil {
			t.Errorf("the overlay has the %s %s", o.GetKind(), o.GetName())
		}
	}
	for _, name := range apiServices {
		api := lab.Find(overlay, "APIService", name)
		if api == nil {
			t.Fatalf("the overlay has no APIService %s", name)
		}
		if err := unstructured.SetNestedField(api.Object, caBundle, "spec", "caBundle"); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := startAdapter(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := remove(t.Context(), selfManaged...); err != nil {
		t.Fatal(err)
	}
	if err := system.RunAdapter(t.Context(), overlay); err != nil {
		t.Fatal(err)
	}
}

// keyPair is a certificate for the adapter's Service, its CA behind it, and its key.
type keyPair struct{ cert, key []byte }

func given(t *testing.T) keyPair {
	t.Helper()
	certificate, key, err := cert.GenerateSelfSignedCertKey(adapterHost, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return keyPair{certificate, key}
}

// leaf is the certificate that has to be served.
func (k keyPair) leaf(t *testing.T) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(k.cert)
	if block == nil {
		t.Fatal("no certificate in what was generated")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// setSecret makes or changes the Secret that the overlay names.
func setSecret(t *testing.T, pair keyPair) {
	t.Helper()
	client := system.Client.CoreV1().Secrets(lab.AdapterNamespace)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "loadline-adapter-serving"}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: pair.cert, corev1.TLSPrivateKeyKey: pair.key},
	}
	_, err := client.Create(t.Context(), secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = client.Update(t.Context(), secret, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// serves waits until each pod's port serves the certificate of pair.
func serves(t *testing.T, pods []corev1.Pod, pair keyPair, limit time.Duration) {
	t.Helper()
	want := pair.leaf(t)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pair.cert) {
		t.Fatal("no CA in what was generated")
	}
	for _, pod := range pods {
		system.Until(t, pod.Name+" serves the given certificate", limit, func(ctx context.Context) (bool, string) {
			dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: adapterHost}}
			conn, err := dialer.DialContext(ctx, "tcp", pod.Status.PodIP+":6443")
			if err != nil {
				return false, err.Error()
			}
			defer conn.Close()
			return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Equal(want), "another certificate of the same CA"
		})
	}
}
