// Package build turns the pinned server modules under hack/tools into
// programs, once, in a cache of the user. It exists so that a real Kubernetes
// control plane needs neither a container engine nor a download of binaries:
// the Go toolchain and the module proxy are enough.
//
// [Ensure] builds what is missing (minutes from an empty cache), [Locate] only
// looks (milliseconds) and says what to run when something is missing.
package build
