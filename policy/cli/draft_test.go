package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// What is to be done so that an HPA becomes the policy's is said with what keeps it from that.
func TestNote(t *testing.T) {
	for name, tc := range map[string]struct{ metadata, want string }{
		"a person's": {`{name: web, namespace: shop, labels: {team: shop}}`,
			"note: Loadline takes the HPA web over when that says so: kubectl -n shop annotate hpa web loadline.dev/adopt=web\n"},
		"Helm's": {`{name: web, namespace: shop, labels: {app.kubernetes.io/managed-by: Helm}, annotations: {meta.helm.sh/release-name: shop}}`,
			"note: the HPA web is written by the tool that set meta.helm.sh/release-name: take it out of there first, without having it deleted from the cluster. Then Loadline takes it over: " +
				"kubectl -n shop label hpa web app.kubernetes.io/managed-by- && kubectl -n shop annotate hpa web meta.helm.sh/release-name- && " +
				"kubectl -n shop annotate hpa web loadline.dev/adopt=web\n"},
		"applied by a server": {`{name: web, managedFields: [{manager: ci, operation: Apply}]}`,
			"note: the HPA web is written by ci (field manager, apply): take it out of there first, without having it deleted from the cluster. Then Loadline takes it over: " +
				`kubectl patch hpa web --type=merge -p '{"metadata":{"managedFields":[{}]}}' && kubectl annotate hpa web loadline.dev/adopt=web` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", t.TempDir()+"/none")
			in := "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: " + tc.metadata +
				", spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 2, maxReplicas: 6, " +
				"metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}}"
			var out, said bytes.Buffer
			code := Run(context.Background(), []string{"autoscale", "-f", "-"}, genericiooptions.IOStreams{In: strings.NewReader(in), Out: &out, ErrOut: &said})
			if code != 0 || !strings.HasSuffix(said.String(), tc.want) {
				t.Errorf("exit code %d\n%s\nwant %s", code, &said, tc.want)
			}
		})
	}
}
