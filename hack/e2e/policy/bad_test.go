//go:build e2e

package policy

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/crd"
)

// The API server refuses every mistake of the table that a schema can see, naming the
// field, in the words of which a unit test says that render has as much to say.
func TestP1BadInput(t *testing.T) {
	ns := namespace(t)
	all, err := crd.BadInput()
	must(t, err)
	minor := system.Minor(t)
	for _, b := range all {
		t.Run(b.Name, func(t *testing.T) {
			var refused []string
			err := kube.Create(t.Context(), &unstructured.Unstructured{Object: b.Object(ns)}, client.DryRunAll)
			var status apierrors.APIStatus
			switch {
			case err == nil:
			case errors.As(err, &status) && apierrors.IsInvalid(err) && status.Status().Details != nil:
				for _, cause := range status.Status().Details.Causes {
					refused = append(refused, cause.Field+": "+cause.Message)
				}
			default:
				t.Fatal(err)
			}
			if diff := cmp.Diff(crd.Wording(minor, b.Server), crd.Wording(minor, refused)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
