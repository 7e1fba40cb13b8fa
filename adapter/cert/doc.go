// Package cert keeps a serving certificate by itself, the adapter's or that of
// loadline-policy's webhook: one CA and one leaf in one Secret that all replicas
// share, and the CA's certificate in the caBundle of the objects by which
// kube-apiserver finds them (APIServices, a configuration of webhooks), so that it
// always verifies what it talks to.
//
// [Decide] looks at the Secret and says what has to happen, [Issue] makes the
// Secret's next content; both are free of I/O. [Controller] acts.
//
// # What the Secret holds
//
//	ca.crt   the CAs to trust; the first one signs, the others are on their way out
//	ca.key   the key of the first CA
//	tls.crt  the leaf, followed by nothing: kube-apiserver has the CA
//	tls.key  the leaf's key
//
// # How a CA is replaced without a refused connection
//
//	day 0            CA A signs leaf 1                    trusted: A
//	2/3 of A's life  CA B is made, leaf stays (StageCA)   trusted: B, A
//	leaf's 2/3       B signs leaf 2 (RenewLeaf)           trusted: B, A
//	a leaf's life    A can have no living leaf any more   trusted: B
//	after B was made and the leaf is renewed
//
// A replica serves a leaf of a CA it has not served before only after the
// bundle with that CA has reached the carriers; until then the leaf it
// already serves goes on, as long as that one is valid.
//
// # Several replicas
//
// Nobody is elected. Writes carry the Secret's resourceVersion, so of two
// replicas that decide the same at once one wins, and the other reads again,
// finds nothing to do and adopts the winner's certificate.
//
// # Emptying the Secret
//
// That is the way to throw a key away that others have seen: a CA that is no
// longer in the Secret is no longer trusted, at once.
package cert
