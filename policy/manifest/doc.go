// Package manifest reads AutoscalingPolicies out of files and says what the API server
// would say about them, with the line: syntax, unknown fields, the CRD's schema and its
// defaults.
//
// It does not run the CRD's CEL rules, whose library brings an API server along:
// hpa.Check says in Go what they say.
package manifest
