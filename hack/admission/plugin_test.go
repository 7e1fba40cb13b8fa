package admission_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/warning"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	cases "github.com/loadline/loadline/hack/admission"
	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// load reads the writes that the policies are asked about.
func load(t *testing.T) []cases.Case {
	t.Helper()
	c, err := cases.Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// manifests are the objects of deploy/admission.
func manifests(t testing.TB) []runtime.Object {
	t.Helper()
	return rendered(t, "../../deploy/admission")
}

func rendered(t testing.TB, dir string) []runtime.Object {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var objects []runtime.Object
	for _, r := range resources.Resources() {
		data, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := clientscheme.Codecs.UniversalDeserializer().Decode(data, nil, nil)
		if err != nil {
			t.Fatalf("%s %s: %v", r.GetKind(), r.GetName(), err)
		}
		objects = append(objects, object)
	}
	return objects
}

// all returns the objects of one Go type.
func all[T runtime.Object](objects []runtime.Object) []T {
	var out []T
	for _, o := range objects {
		if typed, ok := o.(T); ok {
			out = append(out, typed)
		}
	}
	return out
}

// server is the API server's own admission plugin, over the objects of all cases, each
// in a namespace of its own.
type server struct {
	plugin     *validating.Plugin
	interfaces admission.ObjectInterfaces
}

// serve starts it with policies and with what they look at. No policy of deploy/admission
// asks what anybody may do.
func serve(t testing.TB, objects []runtime.Object) *server {
	t.Helper()
	return serveWith(t, objects, authorizerfactory.NewAlwaysDenyAuthorizer())
}

func serveWith(t testing.TB, objects []runtime.Object, rights authorizer.UnconditionalAuthorizer) *server {
	t.Helper()
	fillIn(objects)
	client := fake.NewClientset(objects...)
	plugin, err := validating.NewPlugin(nil)
	if err != nil {
		t.Fatal(err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	plugin.SetExternalKubeClientSet(client)
	plugin.SetExternalKubeInformerFactory(factory)
	plugin.SetDynamicClient(dynamicfake.NewSimpleDynamicClient(clientscheme.Scheme))
	plugin.SetRESTMapper(restmapper.NewDiscoveryRESTMapper(groups()))
	plugin.SetUnconditionalAuthorizer(rights)
	ctx, cancel := context.WithCancel(context.Background())
	plugin.SetDrainedNotification(ctx.Done())
	if err := plugin.ValidateInitialization(); err != nil {
		t.Fatal(err)
	}
	factory.Start(ctx.Done())
	t.Cleanup(func() { cancel(); factory.Shutdown() })
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			t.Fatalf("%v: not read", kind)
		}
	}
	if !plugin.WaitForReady() {
		t.Fatal("the plugin does not become ready")
	}
	return &server{plugin, interfaces()}
}

// fillIn sets what the API server fills in of policies and bindings, which nothing does
// here.
func fillIn(objects []runtime.Object) {
	match := func(m *admissionv1.MatchResources) {
		if m.NamespaceSelector == nil {
			m.NamespaceSelector = &metav1.LabelSelector{}
		}
		m.MatchPolicy = new(admissionv1.Equivalent)
		m.ObjectSelector = &metav1.LabelSelector{}
		for i := range m.ResourceRules {
			m.ResourceRules[i].Scope = new(admissionv1.AllScopes)
		}
	}
	for _, p := range all[*admissionv1.ValidatingAdmissionPolicy](objects) {
		match(p.Spec.MatchConstraints)
	}
	for _, b := range all[*admissionv1.ValidatingAdmissionPolicyBinding](objects) {
		if b.Spec.MatchResources != nil {
			match(b.Spec.MatchResources)
		}
	}
}

// kinds are those that the policies look at, with the versions that a client may write.
var kinds = []struct {
	gvk      schema.GroupVersionKind
	resource string
}{
	{autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"), "horizontalpodautoscalers"},
	{autoscalingv1.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"), "horizontalpodautoscalers"},
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, "deployments"},
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}, "statefulsets"},
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}, "replicasets"},
	{corev1.SchemeGroupVersion.WithKind("ReplicationController"), "replicationcontrollers"},
	{v1alpha1.GroupVersion.WithKind(v1alpha1.Kind), v1alpha1.Plural},
}

func groups() []*restmapper.APIGroupResources {
	byGroup := map[string]*restmapper.APIGroupResources{}
	var out []*restmapper.APIGroupResources
	for _, k := range kinds {
		g := byGroup[k.gvk.Group]
		if g == nil {
			g = &restmapper.APIGroupResources{Group: metav1.APIGroup{Name: k.gvk.Group}, VersionedResources: map[string][]metav1.APIResource{}}
			byGroup[k.gvk.Group] = g
			out = append(out, g)
		}
		version := metav1.GroupVersionForDiscovery{GroupVersion: k.gvk.GroupVersion().String(), Version: k.gvk.Version}
		if !slices.Contains(g.Group.Versions, version) {
			g.Group.Versions = append(g.Group.Versions, version)
		}
		g.VersionedResources[k.gvk.Version] = append(g.VersionedResources[k.gvk.Version], metav1.APIResource{Name: k.resource, Kind: k.gvk.Kind, Namespaced: true})
	}
	return out
}

func interfaces() admission.ObjectInterfaces {
	o := admission.NewObjectInterfacesFromScheme(clientscheme.Scheme)
	same := runtime.NewEquivalentResourceRegistry()
	for _, k := range kinds {
		same.RegisterKindFor(k.gvk.GroupVersion().WithResource(k.resource), "", k.gvk)
	}
	return equivalent{o, same}
}

type equivalent struct {
	admission.ObjectInterfaces
	same runtime.EquivalentResourceMapper
}

func (e equivalent) GetEquivalentResourceMapper() runtime.EquivalentResourceMapper { return e.same }

// recorder keeps the warnings of one request.
type recorder struct{ texts []string }

func (r *recorder) AddWarning(_, text string) { r.texts = append(r.texts, text) }

// write is a request for admission.
type write struct {
	old, object runtime.Object // old is nil for a create
	through     string         // the version of the client, if not that of the object
	subresource string
	user        string
}

// judged returns what the policies say to a request, without their names, which have to
// be those of the messages.
func (s *server) judged(t testing.TB, w write) []string {
	t.Helper()
	said, err := s.validate(t, w)
	if err != nil {
		if !strings.Contains(err.Error(), " denied request: ") {
			t.Fatalf("not a policy's refusal: %v", err)
		}
		said = append(said, err.Error())
	}
	for i := range said {
		if said[i], err = cases.Message(said[i]); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(said)
	return said
}

// validate returns the warnings about a request and its refusal.
func (s *server) validate(t testing.TB, w write) ([]string, error) {
	t.Helper()
	gvk := w.object.GetObjectKind().GroupVersionKind()
	if w.through != "" {
		gvk.Version = w.through
	}
	resource := ""
	for _, k := range kinds {
		if k.gvk == gvk {
			resource = k.resource
		}
	}
	if resource == "" {
		t.Fatalf("%v is not among the kinds of this test", gvk)
	}
	accessor := w.object.(metav1.Object)
	operation, options := admission.Create, runtime.Object(&metav1.CreateOptions{})
	if w.old != nil {
		operation, options = admission.Update, &metav1.UpdateOptions{}
	}
	attributes := admission.NewAttributesRecord(w.object, w.old, gvk, accessor.GetNamespace(), accessor.GetName(),
		gvk.GroupVersion().WithResource(resource), w.subresource, operation, options, false, &user.DefaultInfo{Name: w.user})
	heard := &recorder{}
	err := s.plugin.Validate(warning.WithWarningRecorder(t.Context(), heard), attributes, s.interfaces)
	return heard.texts, err
}

// typed decodes into the API's type, with an unknown field an error. Custom resources have
// none in the API server.
func typed(t testing.TB, namespace string, u *unstructured.Unstructured) runtime.Object {
	t.Helper()
	u = u.DeepCopy()
	u.SetNamespace(namespace)
	if u.GetKind() == v1alpha1.Kind {
		return u
	}
	object, err := clientscheme.Scheme.New(u.GroupVersionKind())
	if err != nil {
		t.Fatal(err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(u.Object, object, true); err != nil {
		t.Fatalf("%s %s: %v", u.GetKind(), u.GetName(), err)
	}
	object.GetObjectKind().SetGroupVersionKind(u.GroupVersionKind())
	return object
}
