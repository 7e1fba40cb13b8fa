// Package chain says, purely, how an HPA comes to its decision: what each of its metrics asks
// for and why, what the controller's steps make of that, who holds the minimum, and where the
// chain is broken, with the reason and the remedy.
//
// The arithmetic is that of policy/arithmetic, and so the controller's. What was read of the
// cluster is handed in; kubectl loadline explain is what reads it.
package chain
