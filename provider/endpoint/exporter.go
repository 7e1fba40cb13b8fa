package endpoint

import "k8s.io/apimachinery/pkg/labels"

// Exporter is a program that speaks for others, such as that of a queue, as the administrator
// lists it: what it exports is believed. It is of use to a source that scrapes.
type Exporter struct {
	// Name is what the label job of its series is.
	Name string
	// Namespace is that of its pods.
	Namespace string
	// Pods chooses them by their labels, of which it asks for one at least; nil where they are
	// the ready endpoints of Service.
	Pods    labels.Selector
	Service string
	// Port is a port of the pods; if it is 0, all container ports of the name PortName.
	Port     uint16
	PortName string
	// Path and Scheme are as in a URL.
	Path, Scheme string
	// HonorLabels keeps the labels that it exports, namespace and pod among them.
	HonorLabels bool
}
