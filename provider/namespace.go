package provider

import (
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/loadline/loadline/provider/metric"
)

const allNamespaces = "*"

// namespaceError is why nothing can be in namespace; nil if something can. An empty
// list would say that the objects are gone. instead is what to ask for in place of
// all namespaces, which no read can: rights and limits are those of one.
func namespaceError(namespace, instead string) error {
	if namespace == allNamespaces {
		return metric.Errorf(metric.Invalid, `no read is of all namespaces ("*"): ask for %s`, instead)
	}
	if len(validation.IsDNS1123Label(namespace)) > 0 {
		// The name last, for it can be long and messages are cut.
		return metric.Errorf(metric.Invalid, "the name of a namespace has up to 63 lower-case letters, digits and inner hyphens, unlike %q", namespace)
	}
	return nil
}
