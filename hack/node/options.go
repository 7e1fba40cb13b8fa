package node

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
)

// Options configure a process node. RESTConfig and Dir are required.
type Options struct {
	// RESTConfig reaches the API server with the rights of a cluster admin. Its
	// Host is also what pods get as the API server's address.
	RESTConfig *rest.Config
	// Name of the Node; "process-node-0" if empty.
	Name string
	// Labels and Taints of the Node, beside the usual host name, OS and
	// architecture labels.
	Labels map[string]string
	Taints []corev1.Taint
	// PodCIDR is where pod IPs come from; every address in it must be local on
	// this machine. Default: 10.244.0.0/17 if Isolated, else 127.64.0.0/10.
	PodCIDR netip.Prefix
	// ServiceCIDR holds the cluster IPs the proxy may listen on; 10.96.0.0/16 if
	// unset. Unused if not Isolated.
	ServiceCIDR netip.Prefix
	// Images maps an image name, exactly as pods spell it, to what runs.
	Images map[string]Image
	// Dir holds volumes and claims, LogDir the containers' logs (Dir/log if
	// empty). Both are made if missing, for this user only.
	Dir, LogDir string
	// Isolated says that PodCIDR and ServiceCIDR are local routes of a network
	// namespace of our own. Without it pods live in 127.0.0.0/8 and services on
	// free ports of 127.0.0.1, which only the service variables tell.
	Isolated bool
	// StopGrace bounds how long processes may take to end when Run's context
	// ends, preStop hooks included; 5 s if zero. A process with a longer hook has
	// up to 2 s more for its SIGTERM.
	StopGrace time.Duration
	// Log tells what the node does; nothing is logged if nil.
	Log *slog.Logger
}

// Image is what runs for an image name.
type Image struct {
	// Path of the binary (the image's ENTRYPOINT). Empty: command[0] is looked up
	// on the host.
	Path string
	// Args are used when the container has neither command nor args (the CMD).
	Args []string
	// ExtraArgs are always appended, ExtraEnv is set where the pod does not set
	// the name. Both may use $(VAR), for example --kubeconfig=$(KUBECONFIG).
	ExtraArgs []string
	ExtraEnv  map[string]string
}

// complete returns the options with defaults, or every mistake in them at once.
func (o Options) complete() (Options, error) {
	if o.Name == "" {
		o.Name = "process-node-0"
	}
	if !o.PodCIDR.IsValid() {
		o.PodCIDR = netip.MustParsePrefix("127.64.0.0/10")
		if o.Isolated {
			o.PodCIDR = netip.MustParsePrefix("10.244.0.0/17")
		}
	}
	if !o.ServiceCIDR.IsValid() {
		o.ServiceCIDR = netip.MustParsePrefix("10.96.0.0/16")
	}
	if o.LogDir == "" {
		o.LogDir = filepath.Join(o.Dir, "log")
	}
	if o.StopGrace <= 0 {
		o.StopGrace = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, o.check()
}

func (o Options) check() error {
	var errs []error
	if o.RESTConfig == nil {
		errs = append(errs, errors.New("Options.RESTConfig: required"))
	} else if _, err := apiServer(o.RESTConfig); err != nil {
		errs = append(errs, err)
	}
	for _, why := range validation.IsDNS1123Subdomain(o.Name) {
		errs = append(errs, fmt.Errorf("Options.Name %q: %s", o.Name, why))
	}
	if !filepath.IsAbs(o.Dir) || !filepath.IsAbs(o.LogDir) {
		errs = append(errs, fmt.Errorf("Options.Dir %q, LogDir %q: absolute paths are required", o.Dir, o.LogDir))
	}
	if !o.PodCIDR.Addr().Is4() || o.PodCIDR.Bits() > 28 {
		errs = append(errs, fmt.Errorf("Options.PodCIDR %s: an IPv4 range of at least 16 addresses is required", o.PodCIDR))
	}
	for name, image := range o.Images {
		if image.Path != "" && !filepath.IsAbs(image.Path) {
			errs = append(errs, fmt.Errorf("Options.Images[%q].Path %q: an absolute path is required", name, image.Path))
		}
	}
	return errors.Join(errs...)
}

// endpoint is where the API server answers.
type endpoint struct {
	URL, Host, Port string
}

func apiServer(config *rest.Config) (endpoint, error) {
	u, err := url.Parse(config.Host)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return endpoint{}, fmt.Errorf("Options.RESTConfig.Host %q: want https://HOST:PORT", config.Host)
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return endpoint{URL: "https://" + net.JoinHostPort(u.Hostname(), port), Host: u.Hostname(), Port: port}, nil
}
