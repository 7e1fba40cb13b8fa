package arch

// Loadline returns the architecture of the root module.
func Loadline() Rules {
	return Rules{
		Module: "github.com/loadline/loadline",
		Arrows: []Arrow{
			{"cmd/loadline-adapter", []string{"adapter"}},
			{"adapter", []string{
				"adapter/cert", "adapter/query", "policy/query", "provider", "provider/api/openapi", "provider/api/v1alpha1", "provider/catalog", "provider/demand",
				"provider/diagnose", "provider/eval", "provider/metric", "provider/object", "provider/reference", "provider/rule", "provider/source/embedded", "provider/source/embedded/builtin",
				"provider/source/embedded/cadence", "provider/source/embedded/engine", "provider/source/embedded/follow", "provider/source/embedded/scrape", "provider/source/embedded/target",
				"provider/source/embedded/wanted", "provider/source/prometheus", "provider/store",
			}},
			{"adapter/cert", nil},
			{"adapter/query", []string{"policy/api/v1alpha1", "policy/query", "provider/metric", "provider/plan", "provider/rule"}},
			{"deploy", nil}, // the manifests and their tests
			{"provider", []string{"provider/catalog", "provider/metric", "provider/store"}},
			{"provider/diagnose", []string{
				"provider/api/v1alpha1", "provider/catalog", "provider/demand", "provider/eval", "provider/metric", "provider/plan", "provider/rule", "provider/source", "provider/store", // plan in tests
			}},
			{"provider/api/openapi", []string{"provider/api/v1alpha1"}},
			{"provider/api/v1alpha1", nil},
			{"provider/eval", []string{
				"provider/catalog", "provider/metric", "provider/plan", "provider/rule", "provider/source", "provider/store",
			}},
			{"provider/catalog", []string{"provider/metric", "provider/rule", "provider/source"}},
			{"provider/plan", []string{"provider/metric", "provider/rule"}},
			{"provider/source/prometheus", []string{"provider/source"}},
			{"provider/source/embedded", []string{
				"provider/source/embedded/cadence", "provider/source/embedded/engine", "provider/source/embedded/scrape", "provider/source/embedded/target", "provider/source/embedded/wanted",
			}},
			{"provider/source/embedded/builtin", nil},
			{"provider/source/embedded/cadence", nil},
			{"provider/source/embedded/engine", []string{"provider/source"}},
			{"provider/source/embedded/follow", []string{"provider/endpoint", "provider/metric", "provider/rule", "provider/source/embedded/target", "provider/source/embedded/wanted"}},
			{"provider/source/embedded/exposition", nil},
			{"provider/source/embedded/scrape", []string{"provider/source/embedded/exposition", "provider/source/embedded/target", "provider/source/embedded/wanted"}},
			{"provider/source/embedded/target", []string{"provider/endpoint"}},
			{"provider/source/embedded/wanted", []string{"provider/metric", "provider/rule"}},
			{"provider/source", nil},
			{"provider/store", []string{"provider/metric"}},
			{"provider/demand", []string{"provider/metric"}},
			{"provider/reference", []string{"provider/metric"}},
			{"provider/object", []string{"provider/metric"}},
			{"provider/rule", []string{"provider/endpoint", "provider/metric"}},
			{"provider/metric", nil},
			{"provider/endpoint", nil},
			{"policy/api/v1alpha1", nil},
			{"policy/hpa", []string{"policy/api/v1alpha1"}},
			{"policy/decide", []string{"policy/api/v1alpha1", "policy/floor", "policy/handoff", "policy/hpa", "policy/owner", "policy/rollout"}},
			{"policy/handoff", []string{"policy/api/v1alpha1", "policy/quota", "policy/rollout"}},
			{"policy/owner", nil},
			{"policy/floor", []string{"policy/api/v1alpha1", "policy/hpa", "policy/rollout", "policy/schedule"}},
			{"policy/arithmetic", []string{"policy/floor", "policy/hpa", "policy/quota"}},
			{"policy/chain", []string{"policy/api/v1alpha1", "policy/arithmetic", "policy/floor", "policy/hpa", "provider/api/v1alpha1"}},
			{"policy/doctor", []string{"policy/api/v1alpha1", "policy/floor", "policy/guard", "policy/hpa", "provider/api/v1alpha1", "provider/metric", "provider/rule"}},
			{"policy/migrate", []string{"policy/api/v1alpha1", "policy/convert", "policy/hpa", "provider/metric", "provider/plan", "provider/rule"}}, // policy/convert in tests
			{"policy/rollout", nil},
			{"policy/guard", []string{"policy/api/v1alpha1", "policy/hpa", "policy/quota"}},
			{"policy/quota", nil},
			{"policy/convert", []string{"policy/api/v1alpha1", "policy/hpa"}},
			{"policy/schedule", nil},
			{"policy/controller", []string{"adapter/cert", "policy/api/v1alpha1", "policy/decide", "policy/floor", "policy/handoff", "policy/hpa", "policy/owner", "policy/query", "policy/quota", "policy/rollout", "policy/webhook"}},
			{"policy/webhook", []string{"policy/api/v1alpha1", "policy/floor", "policy/hpa"}},
			{"cmd/loadline-policy", []string{"policy/controller"}},
			{"policy/query", nil},
			{"deploy/crd", nil},
			{"policy/manifest", []string{"deploy/crd", "policy/api/v1alpha1", "policy/hpa"}},                                // deploy/crd in tests
			{"policy/lint", []string{"deploy/crd", "policy/api/v1alpha1", "policy/guard", "policy/hpa", "policy/manifest"}}, // deploy/crd in tests
			{"policy/cli", []string{"deploy/crd", "policy/api/v1alpha1", "policy/arithmetic", "policy/chain", "policy/convert", "policy/decide", "policy/doctor", "policy/floor", "policy/guard", "policy/handoff", "policy/hpa", "policy/lint", "policy/manifest", "policy/migrate", "policy/owner", "policy/query", "policy/rollout", "provider/api/v1alpha1", "provider/rule"}},
			{"cmd/kubectl-loadline", []string{"policy/cli"}},
		},
		Free:    []string{"hack"},
		FreeWhy: "hack/ is what only developers run, and may import anything; what ships must not depend on it",
		Bans:    bans(),
	}
}

// bans are what the arrows do not show: packages of others that some of ours must not
// reach.
func bans() []Ban {
	return []Ban{
		{
			From: []string{"provider/rule", "provider/plan", "provider/metric"}, Not: []string{"k8s.io/client-go"},
			Why: "it decides purely, from values: whoever needs a client hands the answer in, so that it is tested without a cluster",
		},
		{
			From: []string{"provider/rule", "provider/plan", "provider/metric", "provider/store", "provider/demand", "provider/api/v1alpha1"}, Not: []string{"k8s.io/apiserver"},
			Why: "the command-line tool will use it, and must not carry a server",
		},
		{
			From: []string{"adapter", "cmd", "provider"}, Not: []string{"github.com/prometheus/prometheus/cmd", "github.com/prometheus/prometheus/web"},
			Why: "we ask a Prometheus and are none; its server brings hundreds of packages",
		},
		{
			From: []string{"policy/schedule", "policy/query"}, Not: []string{"k8s.io/client-go", "k8s.io/apiserver", "sigs.k8s.io/controller-runtime"},
			Why: "it decides purely, from values, for servers and the command-line tool alike",
		},
		{
			From: []string{"adapter", "cmd/loadline-adapter"}, Not: []string{"sigs.k8s.io/controller-runtime"},
			Why: "it follows one kind with client-go, and has no manager",
		},
		{
			From: []string{"policy/api", "policy/hpa", "policy/guard", "policy/lint", "policy/convert", "policy/manifest", "policy/schedule", "policy/floor", "policy/rollout", "policy/handoff", "policy/owner", "policy/query", "policy/quota", "policy/decide", "policy/webhook", "policy/arithmetic", "policy/chain", "policy/doctor", "policy/migrate"},
			Not:  []string{"k8s.io/client-go", "k8s.io/apiserver", "sigs.k8s.io/controller-runtime"},
			Why:  "it decides purely, from values: whoever needs a client hands the answer in, so that it is tested without a cluster",
		},
		{
			From: []string{"cmd/kubectl-loadline", "policy/cli", "policy/manifest"},
			Not: []string{
				"k8s.io/apiserver", "sigs.k8s.io/controller-runtime", "k8s.io/client-go/kubernetes/typed", "k8s.io/client-go/informers",
				"github.com/prometheus/prometheus/cmd", "github.com/prometheus/prometheus/web", "github.com/prometheus/prometheus/rules",
				"github.com/prometheus/prometheus/scrape", "github.com/prometheus/prometheus/tsdb/index", "github.com/prometheus/prometheus/tsdb/wlog",
				"github.com/loadline/loadline/provider/source/embedded",
			},
			Why: "it is started anew for each call and for each completion in a shell: no server, no manager, no client of every kind",
		},
		{
			From: []string{""}, Not: []string{"github.com/nats-io", "github.com/loadline/loadline/deploy/examples"},
			Why: "Remind Me is a module of its own so that its dependencies stay out of ours",
		},
	}
}
