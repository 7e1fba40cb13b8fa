package adapter

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/kube-openapi/pkg/common"
	cmapiserver "sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"
	openapicore "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/core"
	openapicustom "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/custommetrics"
	openapiexternal "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/externalmetrics"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/object"
	"github.com/loadline/loadline/provider/reference"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/store"
)

// warmUp is how long readiness waits for the first evaluation of what HPAs
// reference, at most.
const warmUp = 30 * time.Second

// discoveryTimeout bounds one request of the API server's discovery.
const discoveryTimeout = 5 * time.Second

// maxConfig bounds the configuration file, in bytes.
const maxConfig = 4 << 20

// Run serves until ctx ends. It returns when everything it started has ended.
func Run(ctx context.Context, o *Options) error {
	o.complete()
	rules, err := loadRules(o.ConfigFile)
	if err != nil {
		return err
	}
	for _, w := range rules.Warnings {
		klog.FromContext(ctx).Info("Configuration", "warning", w)
	}
	if rules.HasResourceRules {
		klog.FromContext(ctx).Info("The configuration has resourceRules, which are not served yet: keep metrics-server")
	}
	config, err := clientConfig(o)
	if err != nil {
		return err
	}
	// Watches and loops outlive the server: it answers until its last request.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	parts, err := build(background, o, rules, config)
	if err != nil {
		stop()
		return err
	}
	server, err := newServer(o, config, rules, parts)
	if err != nil {
		stop()
		return err
	}
	if o.MetricsBindAddress != "" {
		if parts.plain, err = net.Listen("tcp", o.MetricsBindAddress); err != nil {
			stop()
			return fmt.Errorf("--metrics-bind-address: %w", err)
		}
	}
	var wg sync.WaitGroup
	parts.start(background, &wg, o)
	err = server.GenericAPIServer.PrepareRun().RunWithContext(ctx)
	stop()
	wg.Wait()
	parts.objects.Wait()
	return err
}

// parts are the pieces of the metrics path.
type parts struct {
	mapper    *object.Mapper
	objects   *object.Cache
	catalog   *catalog.Catalog
	demand    *demand.Registry
	store     *store.Store
	evaluator *eval.Evaluator
	watcher   *reference.Watcher // nil without prewarming
	reader    *provider.Reader
	metrics   *selfMetrics
	plain     net.Listener // for metrics only; nil if off
	warm      chan struct{}
}

// build makes the parts and joins them. Nothing runs yet.
func build(ctx context.Context, o *Options, rules *rule.Set, config *rest.Config) (*parts, error) {
	// Discovery takes no context: without a timeout it would outlive the shutdown.
	bounded := rest.CopyConfig(config)
	bounded.Timeout = discoveryTimeout
	disco, err := discovery.NewDiscoveryClientForConfig(bounded)
	if err != nil {
		return nil, err
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	src, err := o.Source.source()
	if err != nil {
		return nil, err
	}
	p := &parts{
		mapper: object.NewMapper(disco, o.DiscoveryInterval),
		demand: demand.New(o.Demand),
		store:  store.New(),
		warm:   make(chan struct{}),
	}
	p.objects = object.NewCache(ctx, meta, p.mapper, 0)
	p.catalog = catalog.New(catalog.Options{
		Rules: rules, Source: src, Scopes: p.mapper, Interval: o.RelistInterval, MaxAge: o.MaxAge, Now: time.Now,
	})
	p.metrics = newSelfMetrics()
	p.evaluator = eval.New(eval.Options{
		Source: src, Catalog: p.catalog, Objects: p.objects, Mapper: p.mapper, Demand: p.demand, Store: p.store,
		Metrics: p.metrics.eval, Interval: o.EvaluationInterval, Timeout: o.QueryTimeout, Concurrency: o.QueryConcurrency, Now: time.Now,
	})
	p.metrics.registry.MustRegister(&state{
		demand: p.demand, store: p.store, catalog: p.catalog, objects: p.objects.Held, outage: p.evaluator.Outage, loaded: time.Now(), now: time.Now,
	})
	p.reader = &provider.Reader{
		Demand: p.demand, Evaluator: p.evaluator, Store: p.store, MaxAge: o.ValueMaxAge, Patience: o.ReadPatience, Now: time.Now,
	}
	if o.Prewarm {
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return nil, err
		}
		dyn, err := dynamic.NewForConfig(config)
		if err != nil {
			return nil, err
		}
		p.watcher = reference.New(reference.Options{
			Client: client, Kinds: p.mapper, Selector: reference.ScaleSelector(dyn, p.mapper), Registry: p.demand, Added: p.evaluator.Soon,
		})
	}
	return p, nil
}

// start runs the parts until ctx ends.
func (p *parts) start(ctx context.Context, wg *sync.WaitGroup, o *Options) {
	wg.Go(func() { p.mapper.Run(ctx) })
	wg.Go(func() {
		if !closed(ctx, p.mapper.Filled()) {
			return
		}
		if p.watcher != nil {
			wg.Go(func() { p.watcher.Run(ctx) })
		}
		p.catalog.Run(ctx)
	})
	wg.Go(func() { p.evaluator.Run(ctx) })
	wg.Go(func() {
		defer close(p.warm)
		limit, cancel := context.WithTimeout(ctx, warmUp)
		defer cancel()
		if closed(limit, p.catalog.Listed()) && (p.watcher == nil || closed(limit, p.watcher.Synced())) {
			p.evaluator.Evaluate(limit, p.demand.Wanted())
		}
	})
	if p.plain != nil {
		wg.Go(func() {
			if err := servePlain(ctx, p.plain, p.metrics.handler()); err != nil {
				klog.FromContext(ctx).Error(err, "Cannot serve metrics", "address", o.MetricsBindAddress)
			}
		})
	}
}

func closed(ctx context.Context, ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	case <-ctx.Done():
		return false
	}
}

// newServer makes the API server over the parts. A group without rules is not
// served, so that another provider can.
func newServer(o *Options, config *rest.Config, rules *rule.Set, p *parts) (*cmapiserver.CustomMetricsAdapterServer, error) {
	var custom cmprovider.CustomMetricsProvider
	var external cmprovider.ExternalMetricsProvider
	if len(rules.Custom) > 0 {
		custom = &provider.Custom{Reader: p.reader, Catalog: p.catalog, Objects: p.objects, Mapper: p.mapper, Metrics: p.metrics.reads}
	}
	if len(rules.External) > 0 {
		external = &provider.External{Reader: p.reader, Catalog: p.catalog, Metrics: p.metrics.reads}
	}

	const name = "loadline-adapter"
	definitions := func(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
		all := openapicore.GetOpenAPIDefinitions(ref)
		for k, v := range openapicustom.GetOpenAPIDefinitions(ref) {
			all[k] = v
		}
		for k, v := range openapiexternal.GetOpenAPIDefinitions(ref) {
			all[k] = v
		}
		return all
	}
	namer := openapinamer.NewDefinitionNamer(cmapiserver.Scheme)
	o.Server.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions, namer)
	o.Server.OpenAPIConfig.Info.Title = name
	o.Server.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions, namer)
	o.Server.OpenAPIV3Config.Info.Title = name

	generic := genericapiserver.NewRecommendedConfig(cmapiserver.Codecs)
	generic.ClientConfig = config
	generic.RequestTimeout = requestTimeout
	generic.ShutdownDelayDuration = o.ShutdownDelay
	generic.BuildHandlerChainFunc = handlerChain
	if err := o.Server.ApplyTo(generic); err != nil {
		return nil, err
	}
	controller, err := o.Cert.controller(config)
	if err != nil {
		return nil, err
	}
	if controller != nil {
		generic.SecureServing.Cert = controller
	}
	generic.LivezChecks = append(generic.LivezChecks, alive(p.evaluator.Beat, o.EvaluationInterval, time.Now))
	generic.AddReadyzChecks(warm(p.warm))

	server, err := (&cmapiserver.Config{GenericConfig: &generic.Config}).Complete(nil).New(name, custom, external)
	if err != nil {
		return nil, err
	}
	server.GenericAPIServer.Handler.NonGoRestfulMux.Handle("/metrics", p.metrics.handler())
	return server, nil
}

// loadRules reads and compiles the configuration.
func loadRules(file string) (*rule.Set, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	rules, err := rule.Compile(data)
	if err != nil {
		return nil, fmt.Errorf("--config=%s:\n%w", file, err)
	}
	return rules, nil
}

// clientConfig is how we talk to the Kubernetes API server.
func clientConfig(o *Options) (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if o.Kubeconfig != "" {
		config, err = clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("--lister-kubeconfig: %w", err)
	}
	config.QPS, config.Burst = o.ClientQPS, o.ClientBurst
	config.UserAgent = "loadline-adapter"
	return config, nil
}
