package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/convert"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/manifest"
)

// draft is what became of one target or HPA.
type draft struct {
	policy   *v1alpha1.AutoscalingPolicy // nil where a problem is an Error
	problems []hpa.Problem
	name     string
	hpa      string            // the name of the HPA that it is made of, if any
	meta     metav1.ObjectMeta // of that HPA
	// original is that HPA, as autoscaling/v2; nil where it could not be read.
	original *autoscalingv2.HorizontalPodAutoscaler
	document *manifest.Document // nil if it is of no file
}

func (m draft) findings() []finding {
	var found []finding
	for _, p := range m.problems {
		f := finding{policy: m.name, problem: p}
		if m.document != nil {
			f.file, f.line = m.document.File, m.document.Line(p.Field)
		}
		found = append(found, f)
	}
	return found
}

// rename says how its policy gets another name.
func (m draft) rename() string {
	if m.hpa != "" {
		return "keep one of them, since a policy has the name of its HPA"
	}
	return "make one of them by itself, with --name"
}

// note says what has to be done so that the HPA becomes the policy's.
func (m draft) note() string {
	in := ""
	if m.policy.Namespace != "" {
		in = "-n " + m.policy.Namespace + " "
	}
	adopt := fmt.Sprintf("kubectl %sannotate hpa %s %s=%s", in, m.hpa, decide.AdoptAnnotation, m.policy.Name)
	m.meta.Name, m.meta.Namespace = m.hpa, m.policy.Namespace
	who, commands := decide.Continuing(&m.meta)
	if who == "" {
		return fmt.Sprintf("note: Loadline takes the HPA %s over when that says so: %s", m.hpa, adopt)
	}
	return fmt.Sprintf("note: the HPA %s is written by %s: take it out of there first, without having it deleted from the cluster. Then Loadline takes it over: %s",
		m.hpa, who, strings.Join(append(commands, adopt), " && "))
}

// drafts makes the policies that were asked for, by one of the four ways to ask.
func (e *env) drafts(ctx context.Context, o *autoscaleOptions, args []string) ([]draft, error) {
	ways := 0
	for _, asked := range []bool{len(args) > 0, len(o.files) > 0, o.kustomize != "", o.fromHPA != ""} {
		if asked {
			ways++
		}
	}
	if ways != 1 {
		return nil, usagef("give one of TYPE/NAME, -f FILE, -k DIR and --from-hpa NAME")
	}
	switch {
	case o.fromHPA != "":
		m, err := e.draftOfLive(ctx, o.fromHPA)
		return []draft{m}, err
	case len(o.files) > 0:
		docs, err := o.readAll(e.In)
		if err != nil {
			return nil, err
		}
		return e.draftsOf(docs, o)
	case o.kustomize != "":
		docs, err := readKustomization(o.kustomize)
		if err != nil {
			return nil, err
		}
		return e.draftsOf(docs, o)
	}
	targets, err := e.targets(args)
	if err != nil {
		return nil, err
	}
	var all []draft
	for _, t := range targets {
		all = append(all, draftOfTarget(o.Options, t, *e.flags.Namespace))
	}
	return all, nil
}

func draftOfTarget(o convert.Options, t v1alpha1.TargetReference, namespace string) draft {
	o.Target, o.Namespace = t, namespace
	m := draft{name: t.Name}
	m.policy, m.problems = convert.Autoscale(o)
	return m
}

func (e *env) draftOfLive(ctx context.Context, name string) (draft, error) {
	m := draft{name: name, hpa: name}
	c, err := e.cluster()
	if err != nil {
		return m, err
	}
	all, err := list[autoscalingv2.HorizontalPodAutoscaler](ctx, c, hpasResource(), scope{namespace: c.namespace, name: name})
	if err != nil {
		return m, err
	}
	if len(all) == 0 {
		return m, fmt.Errorf("there is no HPA %s in the namespace %s", name, c.namespace)
	}
	m.meta, m.original = all[0].ObjectMeta, &all[0]
	m.policy, m.problems = convert.FromV2(&all[0])
	return m, nil
}

func (e *env) draftsOf(docs []manifest.Document, o *autoscaleOptions) ([]draft, error) {
	var all []draft
	for _, d := range docs {
		gvk := d.GroupVersionKind()
		var m draft
		switch {
		case gvk.Group == autoscalingv2.GroupName && gvk.Kind == "HorizontalPodAutoscaler":
			data, err := json.Marshal(d.Object)
			if err != nil {
				return nil, err
			}
			var h struct {
				Metadata metav1.ObjectMeta `json:"metadata"`
			}
			_ = json.Unmarshal(data, &h) // what is wrong with it is said below
			m = draft{name: d.Name(), hpa: d.Name(), meta: h.Metadata}
			if m.original, m.problems = convert.Read(data); m.original != nil {
				m.policy, m.problems = convert.FromV2(m.original)
			}
		case d.Name() == "" || gvk.Kind == "" || gvk.Version == "":
			return nil, fmt.Errorf("%s:%d: it is no object to scale: it has no apiVersion, kind or name", d.File, d.Line(""))
		default:
			namespace := d.Namespace()
			if namespace == "" {
				namespace = *e.flags.Namespace
			}
			m = draftOfTarget(o.Options, v1alpha1.TargetReference{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Name: d.Name()}, namespace)
		}
		m.document = &d
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is nothing in %v", strings.Join(slices.Concat(o.files, strings.Fields(o.kustomize)), ", "))
	}
	return all, nil
}
