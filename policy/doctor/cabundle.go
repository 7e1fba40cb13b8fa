package doctor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// injected are annotations by which cert-manager writes a caBundle.
func injected() []string {
	return []string{"cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret", "cert-manager.io/inject-apiserver-ca"}
}

// checkCABundle finds caBundles that two write, of whom each takes the other's away.
func checkCABundle(s *Snapshot, o *outcome) {
	if s.APIServices.Unread != nil {
		o.unread("APIServices could not be read", s.APIServices.Unread)
		return
	}
	var writers []string
	written := map[string][]string{}
	for i := range s.APIServices.Value {
		a := &s.APIServices.Value[i]
		if a.Spec.Service == nil {
			continue
		}
		if by, sound := s.bundle(a, o); sound {
			if written[by] == nil {
				writers = append(writers, by)
			}
			written[by] = append(written[by], a.Name)
		}
	}
	for _, by := range writers {
		o.ok("%s: %s", by, strings.Join(written[by], ", "))
	}
	if o.state == "" {
		o.ok("no APIService of these APIs has a caBundle")
	}
}

// bundle looks at the caBundle of one APIService, and says by whom it is where all is well.
func (s *Snapshot) bundle(a *apiregistrationv1.APIService, o *outcome) (by string, sound bool) {
	writers := bundleWriters(a)
	ours := s.selfManaged(a) || slices.Contains(writers, adapterManager)
	annotation := ""
	for _, key := range injected() {
		if a.Annotations[key] != "" {
			annotation = key
		}
	}
	others := slices.DeleteFunc(slices.Clone(writers), func(w string) bool { return w == adapterManager })
	problem := func(st State, remedy, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		o.objects = append(o.objects, Object{Kind: "APIService", Name: a.Name, Seen: text})
		o.add(st, remedy, "%s: %s", a.Name, text)
	}
	const one = "let one of them write it: give loadline-adapter no --cert-secret where cert-manager issues its certificate, or take the annotation and the other writer away"
	switch {
	case ours && annotation != "":
		problem(Fail, one, "loadline-adapter writes its caBundle, and so does cert-manager by the annotation %s", annotation)
	case ours && len(others) > 0:
		problem(Fail, one, "loadline-adapter writes its caBundle, and %s did, too", strings.Join(others, ", "))
	case len(writers) > 1:
		problem(Fail, "let one of them write it", "its caBundle is written by %s", strings.Join(writers, " and "))
	case a.Spec.InsecureSkipTLSVerify:
		problem(Warn, "give it a caBundle and no insecureSkipTLSVerify: loadline-adapter keeps one by --cert-secret, cert-manager by an annotation",
			"insecureSkipTLSVerify trusts whoever answers for %s", behind(a))
	case len(a.Spec.CABundle) == 0:
		problem(Warn, "give it a caBundle, unless the certificate is of a CA that kube-apiserver's machine trusts", "it has no caBundle")
	case len(writers) == 1:
		return "written by " + writers[0], true
	default:
		return "by nobody who is known", true
	}
	return "", false
}

// bundleWriters are the field managers that own spec.caBundle.
func bundleWriters(a *apiregistrationv1.APIService) (names []string) {
	for _, m := range a.ManagedFields {
		if m.FieldsV1 == nil || m.Subresource != "" || slices.Contains(names, m.Manager) {
			continue
		}
		var fields struct {
			Spec struct {
				CABundle *struct{} `json:"f:caBundle"`
			} `json:"f:spec"`
		}
		if json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields) == nil && fields.Spec.CABundle != nil {
			names = append(names, m.Manager)
		}
	}
	return names
}

// selfManaged says whether who serves an API keeps its own certificate, as loadline-adapter
// does with --cert-secret.
func (s *Snapshot) selfManaged(a *apiregistrationv1.APIService) bool {
	b := s.backend(a)
	return b != nil && slices.ContainsFunc(b.Deployments.Value, func(d appsv1.Deployment) bool { return argument(&d, "cert-secret") != "" })
}

// argument is the value of a flag of a Deployment's containers; empty if none has it.
func argument(d *appsv1.Deployment, flag string) string {
	for _, c := range d.Spec.Template.Spec.Containers {
		all := slices.Concat(c.Command, c.Args)
		for i, arg := range all {
			name, ok := strings.CutPrefix(arg, "--")
			if !ok {
				continue
			}
			if name, value, ok := strings.Cut(name, "="); ok && name == flag {
				return value
			}
			if name == flag && i+1 < len(all) {
				return all[i+1]
			}
		}
	}
	return ""
}
