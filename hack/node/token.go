package node

import (
	"context"
	"fmt"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// token is a service account token and when to ask for the next one.
type token struct {
	value   string
	renewAt time.Time
}

// renewal is when a token is replaced: after 80 % of its life, a day at most,
// as the kubelet does.
func renewal(issued, expires time.Time) time.Time {
	life := expires.Sub(issued)
	return issued.Add(min(life*8/10, 24*time.Hour))
}

// requestToken asks for a token bound to the pod: it dies with it.
func requestToken(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod, p *corev1.ServiceAccountTokenProjection, now time.Time) (token, error) {
	request := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{
		ExpirationSeconds: p.ExpirationSeconds,
		BoundObjectRef:    &authv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	if p.Audience != "" {
		request.Spec.Audiences = []string{p.Audience}
	}
	account := pod.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	answer, err := client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		return token{}, fmt.Errorf("token of serviceaccount %q: %w", account, err)
	}
	return token{value: answer.Status.Token, renewAt: renewal(now, answer.Status.ExpirationTimestamp.Time)}, nil
}

const (
	tokenMount     = "/var/run/secrets/kubernetes.io/serviceaccount"
	kubeconfigFile = "kubeconfig"
)

// kubeconfig points at the files of a service account volume in dir. Clients
// read the token file again by themselves, so it is written once.
func kubeconfig(api endpoint, dir, namespace string) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters["local"] = &clientcmdapi.Cluster{Server: api.URL, CertificateAuthority: dir + "/ca.crt"}
	config.AuthInfos["pod"] = &clientcmdapi.AuthInfo{TokenFile: dir + "/token"}
	config.Contexts["pod"] = &clientcmdapi.Context{Cluster: "local", AuthInfo: "pod", Namespace: namespace}
	config.CurrentContext = "pod"
	return clientcmd.Write(*config)
}
