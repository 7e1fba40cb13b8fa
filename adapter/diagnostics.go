package adapter

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/loadline/loadline/provider/api/v1alpha1"
	"github.com/loadline/loadline/provider/diagnose"
)

// diagnosticsScheme has the types of diagnostics.loadline.dev.
func diagnosticsScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(s); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"}) // options of requests
	return s, nil
}

// installDiagnostics has server serve diagnostics.loadline.dev. It does whatever the rules are,
// and whether or not an APIService points here: without one nobody gets to it.
func installDiagnostics(server *genericapiserver.GenericAPIServer, scheme *runtime.Scheme, d *diagnose.Describer) error {
	group := genericapiserver.NewDefaultAPIGroupInfo(v1alpha1.GroupVersion.Group, scheme, metav1.ParameterCodec, serializer.NewCodecFactory(scheme))
	group.VersionedResourcesStorageMap[v1alpha1.GroupVersion.Version] = map[string]rest.Storage{v1alpha1.Plural: diagnose.Storage{Describer: d}}
	return server.InstallAPIGroup(&group)
}

// describer says what the metrics are that these parts serve.
func (p *parts) describer(o *Options) *diagnose.Describer {
	return &diagnose.Describer{
		Demand: p.demand, Catalog: p.catalog, Evaluation: p.evaluator, Queries: p.queries, Store: p.store, MaxAge: o.ValueMaxAge, Now: time.Now,
		BuiltIn: func() bool { return o.ConfigFile == "" || p.rules.Load().Ruleless },
	}
}
