// Package arch checks that imports point one way. The table in rules.go is the
// architecture: who reads it knows what may know what.
package arch
