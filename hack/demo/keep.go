package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/hack/lab"
)

// lookAround says how to use what was left running. The API server's port is
// the same inside and outside of the namespace.
func (d *demo) lookAround(ctx context.Context) string {
	c := d.lab.Cluster
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("\nAll of it goes on running, with little load, until Ctrl-C. In another terminal:\n")
	say("  export KUBECONFIG=%s KUBECACHEDIR=%s", c.Kubeconfig(), c.KubectlCache())
	say("  export PATH=%s:%s:\"$PATH\"", filepath.Dir(c.KubectlPath()), filepath.Join(d.opts.Root, "bin"))
	say("  kubectl get asp -A")
	say("  kubectl loadline status -n %s -w", lab.RemindMeNamespace)
	say("  kubectl explain asp.spec")
	say("  kubectl -n %s describe asp %s", lab.RemindMeNamespace, web)
	say("  kubectl -n %s get hpa,deploy,sts,pods", lab.RemindMeNamespace)
	say("  kubectl -n %s describe hpa remindmeweb", lab.RemindMeNamespace)
	say("  kubectl get --raw '/apis/custom.metrics.k8s.io/v1beta2/namespaces/%s/pods/*/http_requests_per_second'", lab.RemindMeNamespace)
	say("  kubectl get --raw '/apis/external.metrics.k8s.io/v1beta1/namespaces/%s/reminder_queue_depth'", lab.RemindMeNamespace)
	say("\nLogs are in %s.", c.Logs())
	if d.isolated {
		enter := fmt.Sprintf("nsenter --target %d --net", os.Getpid())
		if os.Geteuid() != 0 {
			enter = fmt.Sprintf("nsenter --target %d --user --net --preserve-credentials", os.Getpid())
		}
		say("Pods and Services answer in the demo's network namespace only; a shell in it: %s", enter)
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		web, err := d.lab.Client.CoreV1().Services(lab.RemindMeNamespace).Get(ctx, "remindmeweb-service", metav1.GetOptions{})
		if err == nil { // without it there is one hint less
			say("Remind Me's page: %s curl http://%s/", enter, web.Spec.ClusterIP)
		}
	}
	return b.String()
}
