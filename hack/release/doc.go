// Command release makes what is given out of a version, into a directory: archives of the
// programs, images, a package of the chart, and their sums.
//
//	make release                      # what HEAD is
//	make release VERSION=v1.2.3       # HEAD, under this version
//
// It builds a clone of HEAD: what is not committed is not in it, and the Go toolchain stamps
// the clone's commit, and its tag where it has one, into the programs (see version in
// adapter/version.go). Nothing depends on the time, the user or the directory, so who builds
// the same commit with the same Go gets the same bytes.
//
// The images are put together without a container engine. They are what the Dockerfile makes,
// with another base: distroless/static cannot be had without its registry, so here the base
// is made of what the programs need of it. That is a user, /tmp, and the root certificates of
// golang.org/x/crypto/x509roots, those of Mozilla that are trusted without a condition. It has
// no time zones: loadline-policy carries its own.
package main
