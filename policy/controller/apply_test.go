package controller

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/decide"
)

// Every field that an HPA's spec can have is applied, with labels, annotations and
// owner, and no field besides: an empty status would be one that we own.
func TestApplyConfigurationIsWhole(t *testing.T) {
	h := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "web", UID: "not applied", ResourceVersion: "not this one", Generation: 7,
			Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": "d"},
		},
	}
	fill(reflect.ValueOf(&h.Spec).Elem())
	fill(reflect.ValueOf(&h.OwnerReferences).Elem())
	config, err := applyConfiguration(&decide.Action{HPA: h, ResourceVersion: "12"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
		"metadata": map[string]any{
			"namespace": "shop", "name": "web", "resourceVersion": "12", "ownerReferences": plain(t, h.OwnerReferences),
			"labels": map[string]any{"a": "b"}, "annotations": map[string]any{"c": "d"},
		},
		"spec": plain(t, h.Spec),
	}
	if diff := cmp.Diff(any(want), plain(t, config)); diff != "" {
		t.Error(diff)
	}
}

// plain is x as its JSON decodes.
func plain(t *testing.T, x any) any {
	t.Helper()
	data, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// fill gives every field a value that is not its zero.
func fill(v reflect.Value) {
	if q, ok := v.Addr().Interface().(*resource.Quantity); ok {
		*q = resource.MustParse("1500m")
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), reflect.ValueOf("value"))
	case reflect.String:
		v.SetString("text")
	case reflect.Int32:
		v.SetInt(3)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("a field of a kind that is not filled: " + v.Type().String())
	}
}
