package decide

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/owner"
)

// gitopsMarks are labels and annotations by which such tools know what is theirs.
var gitopsMarks = []string{
	"argocd.argoproj.io/", "helm.toolkit.fluxcd.io/", "kustomize.toolkit.fluxcd.io/", "meta.helm.sh/", "app.kubernetes.io/managed-by=Helm",
}

// Continuing names who goes on writing an HPA that is to be adopted, empty if nobody
// does. kubectl's imperative commands and its client-side apply are people's, who have
// asked for the adoption; a server-side apply and the tools above come back.
//
// Such a tool leaves its marks and its entry of managedFields behind when it lets an HPA
// go, and nothing tells these from those of one that goes on. So the commands that remove
// them come along, for who knows; none does for an owner, which is there or is not.
func Continuing(h *metav1.ObjectMeta) (who string, commands []string) {
	if o := metav1.GetControllerOf(h); o != nil && !hpa.IsPolicy(*o) {
		return fmt.Sprintf("its owner, the %s %s", o.Kind, o.Name), nil
	}
	kubectl := "kubectl "
	if h.Namespace != "" {
		kubectl += "-n " + h.Namespace + " "
	}
	for _, of := range []struct {
		verb  string
		marks []string
	}{{"label", marks(h.Labels)}, {"annotate", marks(h.Annotations)}} {
		if len(of.marks) > 0 {
			who = "the tool that set " + of.marks[0]
			commands = append(commands, fmt.Sprintf("%s%s hpa %s %s-", kubectl, of.verb, h.Name, strings.Join(of.marks, "- ")))
		}
	}
	if manager := owner.Continuing(h.ManagedFields, FieldManager); manager != "" {
		who = manager
		// The API server's way to forget them all.
		commands = append(commands, fmt.Sprintf(`%spatch hpa %s --type=merge -p '{"metadata":{"managedFields":[{}]}}'`, kubectl, h.Name))
	}
	return who, commands
}

// marks are the keys of those that such a tool has set.
func marks(all map[string]string) []string {
	var keys []string
	for key, value := range all {
		if slices.ContainsFunc(gitopsMarks, func(mark string) bool { return strings.HasPrefix(key+"="+value, mark) }) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
