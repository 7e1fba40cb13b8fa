// Package bench measures how fast the adapter answers reads: next to the floor,
// which is the static discovery answer of the same server, and so that all
// measured paths take turns in one run and noise hits them alike.
//
// The control plane, Prometheus and both adapter replicas are real processes.
// Pods, nodes and their states are kwok's, and all pods' counters come out of
// one exporter that this process serves: ten thousand scrapes every few seconds
// would measure the machine and not the adapter, which sees the same answers to
// the same queries either way. HPAs exist, so that the adapter evaluates ahead
// of the first read, but the HPA controller's sync is an hour: who reads, and
// how often, is the benchmark's to decide. It reads as the HPA controller does:
// with its identity, its concurrency, its content types and over HTTP/2.
//
// It passes no judgement. Figures of different machines do not compare; ratios
// of one run do.
package bench
