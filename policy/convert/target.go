package convert

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Target reads what kubectl autoscale takes as TYPE/NAME, without asking a cluster: a
// built-in kind by any of its names, such as deployment/web, sts/api or rc/old; any
// other as KIND.VERSION.GROUP/NAME, such as Game.v1.example.org/chess.
func Target(text string) (v1alpha1.TargetReference, error) {
	of, name, ok := strings.Cut(text, "/")
	if !ok || of == "" || name == "" || strings.Contains(name, "/") {
		return v1alpha1.TargetReference{}, fmt.Errorf("%q is no target: give TYPE/NAME, such as deployment/web", text)
	}
	if version, kind, ok := builtIn(strings.ToLower(of)); ok {
		return v1alpha1.TargetReference{APIVersion: version, Kind: kind, Name: name}, nil
	}
	// A kind begins with a capital, a resource does not.
	if parts := strings.SplitN(of, ".", 3); len(parts) == 3 && unicode.IsUpper(rune(of[0])) {
		return v1alpha1.TargetReference{APIVersion: parts[2] + "/" + parts[1], Kind: parts[0], Name: name}, nil
	}
	return v1alpha1.TargetReference{}, fmt.Errorf(
		"%q is not known: give deployment, statefulset, replicaset or replicationcontroller, or KIND.VERSION.GROUP such as Game.v1.example.org", of)
}

// builtIn knows the names that kubectl takes for the kinds of Kubernetes with a scale,
// and for those of which people may think that they have one: hpa.Check says why not.
func builtIn(of string) (version, kind string, ok bool) {
	switch of {
	case "replicationcontroller", "replicationcontrollers", "rc":
		return "v1", "ReplicationController", true
	case "daemonset", "daemonsets", "daemonset.apps", "daemonsets.apps", "ds":
		return "apps/v1", "DaemonSet", true
	case "job", "jobs", "job.batch", "jobs.batch":
		return "batch/v1", "Job", true
	case "cronjob", "cronjobs", "cronjob.batch", "cronjobs.batch", "cj":
		return "batch/v1", "CronJob", true
	case "pod", "pods", "po":
		return "v1", "Pod", true
	}
	of, _ = strings.CutSuffix(of, ".apps")
	of, _ = strings.CutSuffix(of, ".v1")
	switch of {
	case "deployment", "deployments", "deploy":
		return "apps/v1", "Deployment", true
	case "statefulset", "statefulsets", "sts":
		return "apps/v1", "StatefulSet", true
	case "replicaset", "replicasets", "rs":
		return "apps/v1", "ReplicaSet", true
	}
	return "", "", false
}
