package main

import (
	"context"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	"github.com/fluxcd/pkg/ssa/utils"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// kustomize-controller's names: its field manager, the group of its labels, and the
// value that takes an object out of pruning and of applying.
const (
	manager  = "kustomize-controller"
	group    = "kustomize.toolkit.fluxcd.io"
	disabled = "disabled"
)

// kustomization is what a Kustomization of Flux says, as far as it decides what is
// written to the cluster.
type kustomization struct {
	name, namespace string
	inventory       string // file of what the last sync left in the cluster

	objects []*unstructured.Unstructured
	manager *ssa.ResourceManager
}

// connect reads the manifests and makes a client.
func (k *kustomization) connect(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if k.objects, err = utils.ReadObjects(f); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	// It waits for nothing here, and so needs no poller: that is for definitions,
	// namespaces and health checks.
	k.manager = ssa.NewResourceManager(c, nil, ssa.Owner{Field: manager, Group: group})
	k.manager.SetOwnerLabels(k.objects, k.name, k.namespace)
	return normalize.UnstructuredList(k.objects)
}

// sync applies what has drifted and prunes.
func (k *kustomization) sync(ctx context.Context) error {
	before, err := readInventory(k.inventory)
	if err != nil {
		return err
	}
	opts := ssa.DefaultApplyOptions()
	opts.ExclusionSelector = map[string]string{group + "/reconcile": disabled, group + "/ssa": "Ignore"}
	// What kubectl has written becomes Flux's, as it does by default.
	opts.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{"kubectl.kubernetes.io/last-applied-configuration"},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: manager, OperationType: metav1.ManagedFieldsOperationUpdate},
		},
		Exclusions: map[string]string{group + "/ssa": "Merge"},
	}
	changes, err := k.manager.ApplyAll(ctx, k.objects, opts)
	if err != nil {
		return err
	}
	fmt.Println(changes)
	if err := writeInventory(k.inventory, changes.ToObjMetadataSet()); err != nil {
		return err
	}
	stale := before.Diff(changes.ToObjMetadataSet())
	if len(stale) == 0 {
		return nil
	}
	gone, err := k.manager.DeleteAll(ctx, unversioned(stale, k.manager.Client().RESTMapper()), ssa.DeleteOptions{
		PropagationPolicy: metav1.DeletePropagationBackground,
		Inclusions:        k.manager.GetOwnerLabels(k.name, k.namespace),
		Exclusions:        map[string]string{group + "/prune": disabled, group + "/reconcile": disabled},
	})
	fmt.Println(gone)
	return err
}

// diff prints what has drifted.
func (k *kustomization) diff(ctx context.Context) error {
	drifted := false
	for _, o := range k.objects {
		entry, live, merged, err := k.manager.Diff(ctx, o, ssa.DefaultDiffOptions())
		if err != nil {
			return err
		}
		fmt.Println(entry)
		if entry.Action == ssa.UnchangedAction {
			continue
		}
		drifted = true
		if live != nil && merged != nil {
			fmt.Printf("--- live\n%s\n+++ applied\n%s\n", utils.ObjectToYAML(live), utils.ObjectToYAML(merged))
		}
	}
	if drifted {
		return errDrift
	}
	return nil
}
