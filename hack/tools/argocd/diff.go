package main

import (
	"fmt"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// statusless takes the status out of a comparison, as Argo CD does by default
// (ignoreResourceStatusField: all). With its server-side diff it is more than taste: a
// status that is written between its list and its dry run would show as a difference.
type statusless struct{}

func (statusless) Normalize(o *unstructured.Unstructured) error {
	unstructured.RemoveNestedField(o.Object, "status")
	return nil
}

// diff compares in the three ways of Argo CD: with what was applied last, which is the
// default; by fields' managers, with ServerSideApply=true; and by a dry run of the API
// server, with ServerSideDiff=true. Nobody's choice is asked: none may differ.
func (a *application) diff() error {
	applier, cleanup, err := a.kubectl.ManageServerSideDiffDryRuns(a.config)
	if err != nil {
		return err
	}
	defer cleanup()
	common := []diff.Option{
		diff.WithLogr(logr.Discard()), diff.WithManager(manager), diff.WithGVKParser(a.cluster.GetGVKParser()), diff.WithNormalizer(statusless{}),
	}
	differs := false
	for _, way := range []struct {
		name string
		opts []diff.Option
	}{
		{"three-way", nil},
		{"structured merge", []diff.Option{diff.WithStructuredMergeDiff(true)}},
		{"server-side", []diff.Option{diff.WithServerSideDiff(true), diff.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(applier))}},
	} {
		found, err := a.compare(way.name, append(way.opts, common...))
		if err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		differs = differs || found
	}
	if differs {
		return errOutOfSync
	}
	return nil
}

// compare prints an object a line, and both versions of one that differs.
func (a *application) compare(way string, opts []diff.Option) (differs bool, err error) {
	live, err := a.cluster.GetManagedLiveObjs(a.targets, a.owns)
	if err != nil {
		return false, err
	}
	pairs := sync.Reconcile(a.targets, live, a.namespace, a.cluster)
	for i, target := range pairs.Target {
		if target == nil {
			key := kube.GetResourceKey(pairs.Live[i])
			fmt.Printf("%s: %s is to be pruned\n", way, key.String())
			differs = true
			continue
		}
		key := kube.GetResourceKey(target)
		// Comparing changes the live object of a server-side comparison.
		result, err := diff.Diff(target, pairs.Live[i].DeepCopy(), opts...)
		if err != nil {
			return false, fmt.Errorf("%s: %w", key.String(), err)
		}
		if !result.Modified {
			fmt.Printf("%s: %s is in sync\n", way, key.String())
			continue
		}
		fmt.Printf("%s: %s is out of sync\n--- live\n%s\n+++ predicted\n%s\n", way, key.String(), result.NormalizedLive, result.PredictedLive)
		differs = true
	}
	return differs, nil
}
