// Package endpoint reads where metrics are: the port, path and scheme that tenants write in
// annotations of their pods, and administrators in the configuration file, which lists exporters.
//
// It is vocabulary: it does no I/O and depends on nothing of ours.
package endpoint
