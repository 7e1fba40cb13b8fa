package admission_test

import (
	"fmt"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/cel/environment"

	cases "github.com/loadline/loadline/hack/admission"
)

// oldest is the oldest Kubernetes that the policies are for: the first one whose
// ValidatingAdmissionPolicies are on without a feature gate.
var oldest = version.MajorMinor(1, 30)

// compiled are a policy's expressions, compiled with what CEL of the oldest Kubernetes
// has. An expression that needs a newer one fails here.
type compiled struct {
	conditions, validations, messages cel.ConditionEvaluator
}

func compile(t *testing.T, p *admissionv1.ValidatingAdmissionPolicy) compiled {
	t.Helper()
	with := cel.OptionalVariableDeclarations{HasParams: p.Spec.ParamKind != nil, HasAuthorizer: true}
	without := cel.OptionalVariableDeclarations{HasParams: p.Spec.ParamKind != nil}
	compiler := func() *cel.CompositedCompiler {
		c, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(oldest))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	var conditions, validations, messages []cel.ExpressionAccessor
	for _, c := range p.Spec.MatchConditions {
		conditions = append(conditions, (*matchconditions.MatchCondition)(&c))
	}
	for _, v := range p.Spec.Validations {
		validations = append(validations, &validating.ValidationCondition{Expression: v.Expression})
		messages = append(messages, &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression})
	}
	variables := compiler()
	for _, v := range p.Spec.Variables {
		r := variables.CompileAndStoreVariable(&validating.Variable{Name: v.Name, Expression: v.Expression}, with, environment.NewExpressions)
		if r.Error != nil {
			t.Errorf("variable %s: %v", v.Name, r.Error)
		}
	}
	out := compiled{
		// Conditions know no variables.
		conditions:  compiler().CompileCondition(conditions, with, environment.NewExpressions),
		validations: variables.CompileCondition(validations, with, environment.NewExpressions),
		messages:    variables.CompileCondition(messages, without, environment.NewExpressions),
	}
	for what, e := range map[string]cel.ConditionEvaluator{"condition": out.conditions, "validation": out.validations, "message": out.messages} {
		for _, err := range e.CompilationErrors() {
			t.Errorf("%s: %v", what, err)
		}
	}
	return out
}

// What large objects cost stays below a tenth of what the API server allows, for each HPA
// of the namespace: beyond it a policy would say nothing any more, or refuse everything.
func TestAdmissionCosts(t *testing.T) {
	for _, p := range all[*admissionv1.ValidatingAdmissionPolicy](manifests(t)) {
		t.Run(p.Name, func(t *testing.T) {
			c := compile(t, p)
			if t.Failed() {
				return
			}
			var params runtime.Object
			if p.Spec.ParamKind != nil {
				params = large(t, p.Spec.ParamKind.Kind, true)
			}
			for _, rule := range p.Spec.MatchConstraints.ResourceRules {
				for _, k := range kinds {
					if !strings.Contains(strings.Join(rule.Resources, " "), k.resource) || k.gvk.Version == "v1" && k.resource == "horizontalpodautoscalers" {
						continue
					}
					object, old := large(t, k.gvk.Kind, true), large(t, k.gvk.Kind, false)
					attributes := admission.NewAttributesRecord(object, old, k.gvk, "somewhere", "web", k.gvk.GroupVersion().WithResource(k.resource), "",
						admission.Update, &metav1.UpdateOptions{}, false, &user.DefaultInfo{Name: "somebody"})
					versioned, err := admission.NewVersionedAttributes(attributes, k.gvk, interfaces())
					if err != nil {
						t.Fatal(err)
					}
					request := cel.CreateAdmissionRequest(attributes, metav1.GroupVersionResource(k.gvk.GroupVersion().WithResource(k.resource)), metav1.GroupVersionKind(k.gvk))
					bind := cel.OptionalVariableBindings{VersionedParams: params, Authorizer: authorizerfactory.NewAlwaysDenyAuthorizer()}
					for what, e := range map[string]cel.ConditionEvaluator{"conditions": c.conditions, "validations": c.validations, "messages": c.messages} {
						const budget = celconfig.RuntimeCELCostBudget
						results, left, err := e.ForInput(t.Context(), versioned, request, bind, nil, budget)
						if err != nil {
							t.Fatalf("%s of a %s: %v", what, k.gvk.Kind, err)
						}
						for _, r := range results {
							// A message is made of what a validation found, and here some found nothing.
							if r.Error != nil && what != "messages" {
								t.Errorf("%s of a %s: %v", what, k.gvk.Kind, r.Error)
							}
						}
						t.Logf("%s of a %s: %d of %d", what, k.gvk.Kind, budget-left, budget)
						if cost := budget - left; cost > celconfig.PerCallLimit/10 {
							t.Errorf("%s of a %s: cost %d, want %d at most", what, k.gvk.Kind, cost, celconfig.PerCallLimit/10)
						}
					}
				}
			}
		})
	}
}

// large is an object with 20 containers or metrics, and with 100 kB of what kubectl last
// applied. New and old differ in all of them.
func large(t *testing.T, kind string, isNew bool) runtime.Object {
	t.Helper()
	const n = 20
	suffix := "old"
	if isNew {
		suffix = "new"
	}
	if kind == "HorizontalPodAutoscaler" {
		h := &autoscalingv2.HorizontalPodAutoscaler{
			TypeMeta:   metav1.TypeMeta{APIVersion: autoscalingv2.SchemeGroupVersion.String(), Kind: kind},
			ObjectMeta: metav1.ObjectMeta{Name: "hpa-" + suffix},
			Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
				ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, MaxReplicas: 5,
			},
		}
		value := autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: new(resource.MustParse("10"))}
		used := autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(70))}
		for i := range n {
			name := fmt.Sprintf("%s_%s_%d", strings.Repeat("some_words_", 5), suffix, i)
			h.Spec.Metrics = append(h.Spec.Metrics,
				autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
					Metric: autoscalingv2.MetricIdentifier{Name: name}, Target: value,
				}},
				autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType, ContainerResource: &autoscalingv2.ContainerResourceMetricSource{
					Name: corev1.ResourceCPU, Container: fmt.Sprintf("container-%d", i), Target: used,
				}})
		}
		return h
	}
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": kind}}
	if kind == "ReplicationController" {
		u.SetAPIVersion("v1")
	}
	u.SetName("web")
	containers := []any{}
	for i := range n {
		containers = append(containers, map[string]any{"name": fmt.Sprintf("container-%d", i), "image": "example.com/app:" + suffix})
	}
	if err := unstructured.SetNestedSlice(u.Object, containers, "spec", "template", "spec", "containers"); err != nil {
		t.Fatal(err)
	}
	u.SetAnnotations(map[string]string{"kubectl.kubernetes.io/last-applied-configuration": strings.Repeat("x", 100_000)})
	fields := metav1.NewFieldsV1(`{"f:spec":{"f:template":{}}}`)
	for range n {
		u.SetManagedFields(append(u.GetManagedFields(), metav1.ManagedFieldsEntry{Manager: "ci", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "apps/v1", FieldsType: "FieldsV1", FieldsV1: fields}))
	}
	cases.Fill(u)
	if !isNew {
		if err := unstructured.SetNestedField(u.Object, int64(5), "spec", "replicas"); err != nil {
			t.Fatal(err)
		}
	}
	return typed(t, "somewhere", u)
}
