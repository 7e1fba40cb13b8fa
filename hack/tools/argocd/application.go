package main

import (
	"context"
	"fmt"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/engine"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// manager is the field manager that Argo CD applies and compares as.
const manager = "argocd-controller"

// application is what an Application of Argo CD says, as far as it decides what is
// written to the cluster.
type application struct {
	name, namespace string
	track           tracking
	serverSide      bool // the sync option ServerSideApply=true

	config  *rest.Config
	kubectl *kube.KubectlCmd
	targets []*unstructured.Unstructured
	cluster cache.ClusterCache
	engine  engine.GitOpsEngine
}

// connect reads the manifests, and the namespace into the cache.
func (a *application) connect(file string) (stop func(), err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if a.targets, err = kube.SplitYAML(data); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, o := range a.targets {
		a.track.mark(o, a.name)
	}
	if a.config, err = clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG")); err != nil {
		return nil, err
	}
	a.config.QPS, a.config.Burst = 100, 200 // each start lists every kind
	log := logr.Discard()
	a.kubectl = &kube.KubectlCmd{Log: log, Tracer: tracing.NopTracer{}}
	a.cluster = cache.NewClusterCache(a.config, cache.SetNamespaces([]string{a.namespace}), cache.SetLogr(log), cache.SetKubectl(a.kubectl),
		cache.SetPopulateResourceInfoHandler(func(o *unstructured.Unstructured, root bool) (info any, keep bool) {
			// What has an owner is its owner's, whatever it is marked with.
			if !root {
				return "", false
			}
			app := a.track.owner(o)
			return app, app != ""
		}))
	a.engine = engine.NewEngine(a.config, a.cluster, engine.WithLogr(log), engine.WithKubectl(a.kubectl))
	return a.engine.Run()
}

func (a *application) owns(r *cache.Resource) bool {
	app, _ := r.Info.(string)
	return app == a.name
}

// sync applies every object, as Argo CD does without ApplyOutOfSyncOnly, and prunes.
func (a *application) sync(ctx context.Context) error {
	results, err := a.engine.Sync(ctx, a.targets, a.owns, "revision", a.namespace,
		sync.WithPrune(true), sync.WithLogr(logr.Discard()),
		sync.WithServerSideApply(a.serverSide), sync.WithServerSideApplyManager(manager))
	for _, r := range results {
		key := r.ResourceKey.String()
		fmt.Println(key, r.Status, r.Message)
		if err == nil && r.Status == common.ResultCodeSyncFailed {
			err = fmt.Errorf("%s: %s", key, r.Message)
		}
	}
	return err
}

// tree prints each object of the application and, indented, what comes of it.
func (a *application) tree() error {
	for _, o := range a.targets {
		key := kube.GetResourceKey(o)
		a.cluster.IterateHierarchyV2([]kube.ResourceKey{key}, func(r *cache.Resource, _ map[kube.ResourceKey]*cache.Resource) bool {
			k := r.ResourceKey()
			if k != key {
				fmt.Print("  ")
			}
			fmt.Println(k.String())
			return true
		})
	}
	return nil
}
