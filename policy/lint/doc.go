// Package lint brings manifests and live objects before policy/guard, and says what is
// found with its place: it reads files, makes snapshots of them, leaves out what is
// ignored, and prints. It talks to no cluster itself: Gather is handed who does.
package lint
