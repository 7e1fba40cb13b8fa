// Package cli is kubectl-loadline, a plugin of kubectl.
//
// Each command decides purely, from files or from what it read of a cluster; cluster.go
// is what talks to one. Exit codes: 0 is success, 1 that something is wrong with what
// was asked about, 2 that the command was called wrongly.
package cli
