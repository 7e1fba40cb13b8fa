package hpa_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// rich returns a policy with every kind of pointer, list and map in it, and nothing that
// is as Kubernetes would have it by default.
func rich(t testing.TB) *v1alpha1.AutoscalingPolicy {
	const selector = `selector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d]}]}`
	return policy(spec(t, `{
		replicas: {min: 3, max: 100},
		objectives: [
		  {requestRate: {perPod: 50, `+selector+`}},
		  {queue: {perPod: 100, `+selector+`}},
		  {cpu: {utilization: 60}}, {cpu: {perPod: 500m, container: web}}, {memory: {perPod: 256Mi}},
		  {custom: {metric: m, object: {apiVersion: v1, kind: Service, name: web}, value: 7, `+selector+`}},
		  {custom: {metric: m, perPod: 7, `+selector+`}},
		  {external: {metric: m, value: 7, `+selector+`}},
		  {query: {name: q, expr: up, perPod: 7}}],
		behavior: {
		  scaleUp: {stabilizationWindowSeconds: 1, selectPolicy: Min, tolerance: "0.1", policies: [{type: Pods, value: 1, periodSeconds: 60}]},
		  scaleDown: {stabilizationWindowSeconds: 300, selectPolicy: Min, tolerance: "0.1", policies: [{type: Pods, value: 1, periodSeconds: 60}]}},
		schedules: [{name: a, start: "0 7 * * *", duration: 3h, min: 4}], fallback: {after: 2m, min: 4}}`))
}

// Nothing of what the package returns shares memory with what it was given: whatever is
// done to the one, the other stays. Nor does it change what it was given, not even how a
// quantity is stored, since that comes from a cache that others read.
func TestNothingIsShared(t *testing.T) {
	floors := []v1alpha1.Floor{{Owner: "fallback", Value: 9, Reason: "r"}}
	p := rich(t)
	wantPolicy, wantFloors := rich(t), []v1alpha1.Floor{*floors[0].DeepCopy()}
	live, problems := hpa.Build(rich(t), floors, all)
	if live == nil {
		t.Fatalf("%q", lines(problems))
	}
	wantLive := live.DeepCopy()
	for name, result := range map[string]func() any{
		"Build":        func() any { h, _ := hpa.Build(p, floors, all); return h },
		"Metrics":      func() any { m := hpa.Metrics(p); return &m },
		"Behavior":     func() any { return hpa.Behavior(&p.Spec, all) },
		"no tolerance": func() any { return hpa.Behavior(&p.Spec, hpa.Capabilities{}) },
		"profile":      func() any { return hpa.Behavior(&v1alpha1.AutoscalingPolicySpec{}, all) },
		"decisive":     func() any { _, d := hpa.EffectiveMin(1, 100, floors); return d },
		"Freeze":       func() any { return hpa.Freeze(live) },
		"Check":        func() any { found := hpa.Check(p); return &found },
		"Differences": func() any {
			ours, foreign := hpa.Differences(live, &autoscalingv2.HorizontalPodAutoscaler{})
			return &[][]string{ours, foreign}
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := result()
			got := result()
			if n := scramble(reflect.ValueOf(got)); n == 0 {
				t.Error("there was nothing to change")
			}
			if !reflect.DeepEqual(p, wantPolicy) || !reflect.DeepEqual(floors, wantFloors) || !reflect.DeepEqual(live, wantLive) {
				t.Errorf("an argument has changed:\n%s%s%s", cmp.Diff(wantPolicy, p), cmp.Diff(wantFloors, floors), cmp.Diff(wantLive, live))
			}
			if diff := cmp.Diff(before, result()); diff != "" {
				t.Errorf("the next result has changed:\n%s", diff)
			}
		})
	}
}

// scramble changes everything that v leads to and that Go lets one change, and returns
// how much that was.
func scramble(v reflect.Value) (n int) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			n = scramble(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				n += scramble(v.Field(i))
			}
		}
		// A Quantity hides its fields: replace it in place.
		if set := v.Addr().MethodByName("Set"); set.IsValid() && v.Type().Name() == "Quantity" {
			set.Call([]reflect.Value{reflect.ValueOf(int64(987654321))})
			n++
		}
	case reflect.Slice:
		for i := range v.Len() {
			n += scramble(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			v.SetMapIndex(key, reflect.ValueOf("scrambled").Convert(v.Type().Elem()))
			n++
		}
	case reflect.String:
		v.SetString(v.String() + "scrambled")
		n++
	case reflect.Int32, reflect.Int64:
		v.SetInt(v.Int() + 12345)
		n++
	case reflect.Bool:
		v.SetBool(!v.Bool())
		n++
	}
	return n
}
