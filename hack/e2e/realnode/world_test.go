//go:build e2e

package realnode

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/realnode"
)

const (
	adapterNamespace = lab.AdapterNamespace
	remindMe         = lab.RemindMeNamespace
)

// apiServices are those that an installation registers by default.
var apiServices = []string{"v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io", "v1beta1.external.metrics.k8s.io", "v1alpha1.diagnostics.loadline.dev"}

// pods are the pods of a program of ours that are not on their way out.
func pods(ctx context.Context, namespace, name string) ([]corev1.Pod, error) {
	list, err := node.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + name})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil }), nil
}

// readyPods waits until a program has n pods, all of them ready, and no other is on its way
// out.
func readyPods(t *testing.T, namespace, name string, n int) []corev1.Pod {
	t.Helper()
	var found []corev1.Pod
	until(t, fmt.Sprintf("%d pods of %s are ready", n, name), 3*time.Minute, func(ctx context.Context) (bool, string) {
		list, err := node.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + name})
		if err != nil {
			return false, err.Error()
		}
		ready := 0
		for i := range list.Items {
			if list.Items[i].DeletionTimestamp == nil && isReady(&list.Items[i]) {
				ready++
			}
		}
		found = list.Items
		return ready == n && len(found) == n, fmt.Sprintf("%d of %d", ready, len(found))
	})
	return found
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// volume gives the queue of Remind Me its volume, as a cluster's storage does.
func volume(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if _, err := node.Client.CoreV1().PersistentVolumes().Create(t.Context(), &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "queue"},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:               quantity("2Gi"),
			AccessModes:            []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: dir}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "kubernetes.io/hostname", Operator: corev1.NodeSelectorOpIn, Values: []string{realnode.NodeName}}},
			}}}},
		},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// kill ends a container's first process by SIGKILL, without a word to anybody.
func kill(t *testing.T, p *corev1.Pod) {
	t.Helper()
	_, id, ok := strings.Cut(p.Status.ContainerStatuses[0].ContainerID, "://")
	if !ok {
		t.Fatalf("container of %s: %q", p.Name, p.Status.ContainerStatuses[0].ContainerID)
	}
	if err := node.Kill(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// available waits until kube-apiserver finds an installation's APIs available, by a CA that
// it verifies them with, and checks that CA itself.
func available(t *testing.T) {
	t.Helper()
	client, err := apis()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range apiServices {
		var api *apiregistrationv1.APIService
		until(t, "APIService "+name, 2*time.Minute, func(ctx context.Context) (bool, string) {
			var err error
			if api, err = client.ApiregistrationV1().APIServices().Get(ctx, name, metav1.GetOptions{}); err != nil {
				return false, err.Error()
			}
			return isAvailable(api), fmt.Sprint(api.Status.Conditions)
		})
		if api.Spec.InsecureSkipTLSVerify || len(api.Spec.CABundle) == 0 {
			t.Errorf("%s is not verified: insecure %t, a caBundle of %d bytes", name, api.Spec.InsecureSkipTLSVerify, len(api.Spec.CABundle))
			continue
		}
		if err := verified(t, api.Spec.CABundle); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func apis() (aggregator.Interface, error) { return aggregator.NewForConfig(node.RESTConfig()) }

func isAvailable(api *apiregistrationv1.APIService) bool {
	return slices.ContainsFunc(api.Status.Conditions, func(c apiregistrationv1.APIServiceCondition) bool {
		return c.Type == apiregistrationv1.Available && c.Status == apiregistrationv1.ConditionTrue
	})
}

// verified asks the Service for its certificate, through kube-proxy, as kube-apiserver does.
func verified(t *testing.T, bundle []byte) error {
	t.Helper()
	_, err := serving(t.Context(), bundle)
	return err
}

// serving is the certificate that the adapter's Service answers with. bundle verifies it.
func serving(ctx context.Context, bundle []byte) (*x509.Certificate, error) {
	service, err := node.Client.CoreV1().Services(adapterNamespace).Get(ctx, "loadline-adapter", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return nil, fmt.Errorf("no certificate in the caBundle: %q", bundle)
	}
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: 5 * time.Second},
		Config:    &tls.Config{RootCAs: roots, ServerName: "loadline-adapter." + adapterNamespace + ".svc"},
	}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(service.Spec.ClusterIP, "443"))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// hpas are Remind Me's by name.
func hpas(t *testing.T) map[string]autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	list, err := node.Client.AutoscalingV2().HorizontalPodAutoscalers(remindMe).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]autoscalingv2.HorizontalPodAutoscaler{}
	for _, h := range list.Items {
		found[h.Name] = h
	}
	return found
}

// sized waits until an HPA and its target have a size within bounds.
func sized(t *testing.T, name string, least, most int32, limit time.Duration) {
	t.Helper()
	until(t, fmt.Sprintf("%s has %d to %d pods", name, least, most), limit, func(ctx context.Context) (bool, string) {
		h, err := node.Client.AutoscalingV2().HorizontalPodAutoscalers(remindMe).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		n := h.Status.CurrentReplicas
		return n >= least && n <= most && h.Status.DesiredReplicas == n, fmt.Sprintf("current %d, desired %d, %v", n, h.Status.DesiredReplicas, h.Status.Conditions)
	})
}

// loadline runs kubectl loadline, as a plugin of kubectl.
func loadline(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := node.Kubectl(ctx, append([]string{"loadline"}, args...)...)
	cmd.Env = append(cmd.Env, "PATH="+filepath.Join(root, "bin")+":"+filepath.Dir(node.KubectlPath())+":/usr/bin:/bin")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl loadline %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
