// Package object knows the objects that metrics describe: which exist, which
// labels they carry and, for pods, which of them run.
//
// A kind is listed and watched from the first moment somebody asks about it,
// never by a live list per request. Only names and labels are kept. A kind that
// our RBAC forbids fails alone, and only for those who want a list: an object that
// is named counts as live.
package object
