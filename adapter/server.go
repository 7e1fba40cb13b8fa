package adapter

import (
	"context"
	"maps"
	"time"

	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/kube-openapi/pkg/common"
	cmapiserver "sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"
	openapicore "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/core"
	openapicustom "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/custommetrics"
	openapiexternal "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/externalmetrics"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
	msapi "sigs.k8s.io/metrics-server/pkg/api"
	openapiusage "sigs.k8s.io/metrics-server/pkg/api/generated/openapi"

	"github.com/loadline/loadline/adapter/cert"
	"github.com/loadline/loadline/provider"
	openapidiagnostics "github.com/loadline/loadline/provider/api/openapi"
	"github.com/loadline/loadline/provider/rule"
)

// newServer makes the API server over the parts, which stops when ctx ends. A
// group without rules is not served, so that another provider can; its APIServices
// must not point here then. Our own group is always served.
func newServer(ctx context.Context, o *Options, config *rest.Config, rules *rule.Set, p *parts) (*cmapiserver.CustomMetricsAdapterServer, error) {
	var custom cmprovider.CustomMetricsProvider
	var external cmprovider.ExternalMetricsProvider
	if len(rules.Custom) > 0 {
		custom = &provider.Custom{Reader: p.reader, Catalog: p.catalog, Objects: p.objects, Mapper: p.mapper, Metrics: p.metrics.reads}
	}
	if len(rules.External) > 0 {
		external = &provider.External{Reader: p.reader, Catalog: p.catalog, Queries: p.queries, Metrics: p.metrics.reads}
	}

	sayUnserved(klog.FromContext(ctx), rules)

	const name = "loadline-adapter"
	diagnostics, err := diagnosticsScheme()
	if err != nil {
		return nil, err
	}
	namer := openapinamer.NewDefinitionNamer(cmapiserver.Scheme, msapi.Scheme, diagnostics)
	o.Server.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openAPI, namer)
	o.Server.OpenAPIConfig.Info.Title = name
	o.Server.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openAPI, namer)
	o.Server.OpenAPIV3Config.Info.Title = name

	generic := genericapiserver.NewRecommendedConfig(cmapiserver.Codecs)
	generic.ClientConfig = config
	generic.RequestTimeout = requestTimeout
	generic.ShutdownDelayDuration = o.ShutdownDelay
	generic.BuildHandlerChainFunc = handlerChain(ctx.Done(), custom, external)
	if err := o.Server.ApplyTo(generic); err != nil {
		return nil, err
	}
	authn := &generic.Authentication
	authn.Authenticator = rememberCertificates(authn.Authenticator, authn.RequestHeaderConfig, time.Now)
	controller, err := o.Cert.controller(config, rules)
	if err != nil {
		return nil, err
	}
	ready := readiness{warm(p.warm), healthz.NewShutdownHealthz(ctx.Done())}
	switch {
	case controller != nil:
		generic.SecureServing.Cert = stoppable{controller, ctx.Done()}
		p.metrics.registry.MustRegister(cert.NewCollector(metricPrefix, controller.Status))
		ready = append(ready, certified(controller.Status))
	case generic.SecureServing != nil && generic.SecureServing.Cert != nil:
		given := generic.SecureServing.Cert
		p.metrics.registry.MustRegister(cert.NewExpiry(metricPrefix, func() time.Time {
			shown, _ := given.CurrentCertKeyContent()
			return cert.NotAfter(shown)
		}))
	}
	p.metrics.registry.MustRegister(ready)
	generic.LivezChecks = append(generic.LivezChecks, alive(p.evaluator.Beat, o.EvaluationInterval, time.Now))
	generic.AddReadyzChecks(warm(p.warm), p.config, answering(p.evaluator.Up))

	server, err := (&cmapiserver.Config{GenericConfig: &generic.Config}).Complete(nil).New(name, custom, external)
	if err != nil {
		return nil, err
	}
	if rules.Usage != nil {
		u := &provider.Usage{Reader: p.reader, Catalog: p.catalog, Objects: p.objects, Metrics: p.metrics.reads, Log: klog.FromContext(ctx)}
		if err := installUsage(server.GenericAPIServer, u); err != nil {
			return nil, err
		}
	}
	if err := installDiagnostics(server.GenericAPIServer, diagnostics, p.describer(o)); err != nil {
		return nil, err
	}
	server.GenericAPIServer.Handler.NonGoRestfulMux.Handle("/metrics", p.metrics.handler())
	server.GenericAPIServer.Handler.NonGoRestfulMux.Handle("/debug/plan", debugPlan(p.evaluator))
	return server, nil
}

// installUsage has server serve metrics.k8s.io as metrics-server does, from another storage:
// its own has no context, wraps our errors into 500s and logs each of them.
func installUsage(server *genericapiserver.GenericAPIServer, u *provider.Usage) error {
	group := msapi.Build(provider.PodUsage{Usage: u}, provider.NodeUsage{Usage: u})
	return server.InstallAPIGroup(&group)
}

// openAPI are the types of the APIs that may be served.
func openAPI(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
	all := openapicore.GetOpenAPIDefinitions(ref)
	maps.Copy(all, openapicustom.GetOpenAPIDefinitions(ref))
	maps.Copy(all, openapiexternal.GetOpenAPIDefinitions(ref))
	maps.Copy(all, openapiusage.GetOpenAPIDefinitions(ref))
	maps.Copy(all, openapidiagnostics.GetOpenAPIDefinitions(ref))
	return all
}
