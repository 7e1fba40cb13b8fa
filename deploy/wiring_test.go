package deploy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/loadline/loadline/adapter"
	"github.com/loadline/loadline/provider/rule"
)

// forEachAdapter checks the variants whose one Deployment is the adapter.
func forEachAdapter(t *testing.T, check func(*testing.T, []runtime.Object)) {
	forEachSingle(t, "loadline-adapter", check)
}

// forEachSingle checks the variants with one Deployment, of that name.
func forEachSingle(t *testing.T, name string, check func(*testing.T, []runtime.Object)) {
	found := false
	forEachVariant(t, func(t *testing.T, objects []runtime.Object) {
		if d := all[*appsv1.Deployment](objects); len(d) == 1 && d[0].Name == name {
			found = true
			check(t, objects)
		}
	})
	if !found {
		t.Errorf("no variant with %s", name)
	}
}

// options parses the container's arguments as the adapter does.
func options(t *testing.T, objects []runtime.Object) (*adapter.Options, corev1.Container) {
	t.Helper()
	containers := only[*appsv1.Deployment](t, objects).Spec.Template.Spec.Containers
	if len(containers) != 1 {
		t.Fatalf("%d containers, want 1", len(containers))
	}
	c := containers[0]
	args := slices.Clone(c.Args)
	for i := range args {
		args[i] = expand(t, args[i], c.Env, objects)
	}
	o := adapter.NewOptions()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	return o, c
}

// expand replaces $(NAME) as the kubelet does, by values of ConfigMaps that
// are part of the rendered objects.
func expand(t *testing.T, arg string, env []corev1.EnvVar, objects []runtime.Object) string {
	t.Helper()
	for _, e := range env {
		if e.ValueFrom == nil || e.ValueFrom.ConfigMapKeyRef == nil {
			continue
		}
		ref := e.ValueFrom.ConfigMapKeyRef
		value, ok := configMap(t, objects, ref.Name).Data[ref.Key]
		if !ok {
			t.Fatalf("ConfigMap %s has no %s", ref.Name, ref.Key)
		}
		arg = strings.ReplaceAll(arg, "$("+e.Name+")", value)
	}
	if strings.Contains(arg, "$(") {
		t.Fatalf("%s: a variable that is not set", arg)
	}
	return arg
}

func configMap(t *testing.T, objects []runtime.Object, name string) *corev1.ConfigMap {
	t.Helper()
	for _, m := range all[*corev1.ConfigMap](objects) {
		if m.Name == name && m.Namespace == "loadline-system" {
			return m
		}
	}
	t.Fatalf("no ConfigMap %s", name)
	return nil
}

// The arguments are flags that the adapter has, and name things that are there.
func TestArguments(t *testing.T) {
	forEachAdapter(t, func(t *testing.T, objects []runtime.Object) {
		o, c := options(t, objects)
		volumes := map[string]corev1.Volume{}
		for _, v := range only[*appsv1.Deployment](t, objects).Spec.Template.Spec.Volumes {
			volumes[v.Name] = v
		}
		mounts := map[string]corev1.Volume{}
		for _, m := range c.VolumeMounts {
			mounts[m.MountPath] = volumes[m.Name]
		}
		config := mounts["/etc/loadline"].ConfigMap
		if config == nil || o.ConfigFile != "/etc/loadline/config.yaml" {
			t.Fatalf("configuration: %s", o.ConfigFile)
		}
		rules, err := rule.Compile([]byte(configMap(t, objects, config.Name).Data["config.yaml"]))
		if err != nil {
			t.Fatal(err)
		}
		if scrapes := o.Source.URL == ""; scrapes != (len(rules.Custom) == 0) || scrapes != (len(rules.External) == 0) || len(rules.Warnings) > 0 {
			t.Errorf("%d custom and %d external rules, warnings: %v", len(rules.Custom), len(rules.External), rules.Warnings)
		}
		if dir, is := mounts[o.Scrape.Dir]; is != (o.Source.URL == "") || is && dir.EmptyDir == nil {
			t.Errorf("source %q, and mounts %v for samples in %s", o.Source.URL, mounts, o.Scrape.Dir)
		}
		secrets := all[*corev1.Secret](objects)
		if given := o.Server.SecureServing.ServerCert.CertKey.CertFile; given != "" {
			if s := mounts["/etc/loadline-serving"].Secret; s == nil || !strings.HasPrefix(given, "/etc/loadline-serving/") || o.Cert.Secret != "" || len(secrets) != 0 {
				t.Errorf("given certificate %s, self-managed in %q, %d Secrets", given, o.Cert.Secret, len(secrets))
			}
			return
		}
		if len(secrets) != 1 || o.Cert.Secret != secrets[0].Namespace+"/"+secrets[0].Name || len(secrets[0].Data)+len(secrets[0].StringData) > 0 {
			t.Errorf("%d Secrets for %s", len(secrets), o.Cert.Secret)
		}
		if s := only[*corev1.Service](t, objects); s.Name != o.Cert.Service || s.Namespace != secrets[0].Namespace {
			t.Errorf("the certificate is for Service %s, which is %s/%s", o.Cert.Service, s.Namespace, s.Name)
		}
		var names []string
		for _, a := range all[*apiregistrationv1.APIService](objects) {
			names = append(names, a.Name)
		}
		slices.Sort(names)
		// That of usage is there with its component only.
		want := slices.DeleteFunc(slices.Sorted(slices.Values(o.Cert.APIServices)), func(name string) bool {
			return name == "v1beta1.metrics.k8s.io" && !slices.Contains(names, name)
		})
		if !slices.Equal(names, want) {
			t.Errorf("APIServices %v, the adapter's: %v", names, want)
		}
	})
}

// kube-apiserver reaches the adapter: APIService -> Service -> named port.
func TestAPIServices(t *testing.T) {
	forEachAdapter(t, func(t *testing.T, objects []runtime.Object) {
		o, c := options(t, objects)
		service := only[*corev1.Service](t, objects)
		pod := only[*appsv1.Deployment](t, objects).Spec.Template
		if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			t.Error("the Service does not select the pods")
		}
		priority := map[string]int32{}
		for _, a := range all[*apiregistrationv1.APIService](objects) {
			if a.Name != a.Spec.Version+"."+a.Spec.Group {
				t.Errorf("%s is for %s/%s", a.Name, a.Spec.Group, a.Spec.Version)
			}
			to := a.Spec.Service
			if to == nil || to.Namespace != service.Namespace || to.Name != service.Name || to.Port == nil || *to.Port != service.Spec.Ports[0].Port {
				t.Errorf("%s points to %v", a.Name, to)
			}
			priority[a.Name] = a.Spec.VersionPriority
		}
		if priority["v1beta2.custom.metrics.k8s.io"] <= priority["v1beta1.custom.metrics.k8s.io"] {
			t.Errorf("v1beta2 is not the preferred version: %v", priority)
		}
		target := service.Spec.Ports[0].TargetPort.StrVal
		i := slices.IndexFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == target })
		if i < 0 || int(c.Ports[i].ContainerPort) != o.Server.SecureServing.BindPort {
			t.Errorf("the Service's port %q is not the secure port %d", target, o.Server.SecureServing.BindPort)
		}
		for name, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
			if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Port.StrVal != target || probe.HTTPGet.Scheme != corev1.URISchemeHTTPS {
				t.Errorf("%s probe: %v", name, probe)
			}
		}
	})
}

// Replicas are replaced, drained and stopped without a request that nobody
// answers.
func TestAvailability(t *testing.T) {
	forEachAdapter(t, func(t *testing.T, objects []runtime.Object) {
		o, c := options(t, objects)
		d := only[*appsv1.Deployment](t, objects)
		if *d.Spec.Replicas < 2 {
			t.Errorf("%d replicas", *d.Spec.Replicas)
		}
		if u := d.Spec.Strategy.RollingUpdate; u == nil || u.MaxUnavailable.IntValue() != 0 || u.MaxSurge.IntValue() != 1 {
			t.Errorf("rolling update: %v", u)
		}
		keepsOnePod(t, d, objects)
		grace := time.Duration(*d.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
		if o.ShutdownDelay < 5*time.Second || grace < o.ShutdownDelay+5*time.Second {
			t.Errorf("shutdown delay %v within a grace period of %v", o.ShutdownDelay, grace)
		}
		// The adapter waits 30 s for a certificate, and 30 s for its first evaluation.
		if p := c.StartupProbe; time.Duration(p.PeriodSeconds*p.FailureThreshold)*time.Second < time.Minute {
			t.Error("the startup probe gives up before the adapter does")
		}
	})
}

func TestMetricsPort(t *testing.T) {
	base, _ := options(t, render(t, variants()["base"]))
	if base.MetricsBindAddress != "" {
		t.Errorf("open without being asked for: %s", base.MetricsBindAddress)
	}
	for _, variant := range []string{"metrics-port", "scrape-annotations"} {
		o, c := options(t, render(t, variants()[variant]))
		if o.MetricsBindAddress != ":8080" || !slices.Contains(c.Ports, corev1.ContainerPort{Name: "metrics", ContainerPort: 8080}) {
			t.Errorf("%s: %q, ports %v", variant, o.MetricsBindAddress, c.Ports)
		}
	}
	d := only[*appsv1.Deployment](t, render(t, variants()["scrape-annotations"]))
	if a := d.Spec.Template.Annotations; a["prometheus.io/scrape"] != "true" || a["prometheus.io/port"] != "8080" || a["prometheus.io/path"] != "/metrics" {
		t.Errorf("annotations: %v", a)
	}
}

// keepsOnePod: a disruption budget keeps one of a Deployment's pods.
func keepsOnePod(t *testing.T, d *appsv1.Deployment, objects []runtime.Object) {
	t.Helper()
	b := only[*policyv1.PodDisruptionBudget](t, objects)
	selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
	if err != nil {
		t.Fatal(err)
	}
	if !selector.Matches(labels.Set(d.Spec.Template.Labels)) || b.Namespace != d.Namespace || b.Spec.MinAvailable.IntValue() != 1 {
		t.Error("the disruption budget does not keep one of the pods")
	}
}
