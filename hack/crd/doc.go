// Package crd tests the CustomResourceDefinition of deploy/crd by the code with which
// an API server runs it, in this process: schema, defaults, CEL rules.
package crd
