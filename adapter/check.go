package adapter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/typed/apiregistration/v1"
)

// checkOptions are the flags of the command check.
type checkOptions struct {
	apiServices []string
	service     string // NAMESPACE/NAME; empty for any
	timeout     time.Duration
	wait        time.Duration
	kubeconfig  string
}

// checkInterval is the pause before what failed is looked at again.
const checkInterval = 2 * time.Second

// newCheckCommand returns the command by which helm test looks from within the cluster: the
// image has no shell, and no other program.
func newCheckCommand(ctx context.Context) *cobra.Command {
	o := &checkOptions{apiServices: slices.Concat(customAPIServices(), externalAPIServices()), timeout: 5 * time.Second}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look, as a client of the cluster, whether the metrics APIs answer.",
		Long: "Look, as a client of the cluster, whether the metrics APIs answer: each APIService has to be Available and\n" +
			"its discovery has to answer, through kube-apiserver. One line for each, and exit code 1 if one does not.",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			config, err := clientConfig(&Options{Kubeconfig: o.kubeconfig, ClientQPS: 10, ClientBurst: 20})
			if err != nil {
				return err
			}
			return o.run(ctx, config, cmd.OutOrStdout())
		},
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (o *checkOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringSliceVar(&o.apiServices, "apiservices", o.apiServices, "Names of the APIServices that have to be there and to answer.")
	fs.StringVar(&o.service, "service", o.service, "NAMESPACE/NAME of the Service that has to be behind them. Any if empty.")
	fs.DurationVar(&o.timeout, "timeout", o.timeout, "Deadline of each request.")
	fs.DurationVar(&o.wait, "wait", o.wait, "For how long to look again at what fails. kube-apiserver needs some seconds to notice a new server.")
	fs.StringVar(&o.kubeconfig, "lister-kubeconfig", o.kubeconfig, "Kubeconfig to ask by; the pod's own service account if empty.")
}

func (o *checkOptions) validate() error {
	var errs []error
	if len(o.apiServices) == 0 {
		errs = append(errs, errors.New("--apiservices: must name one"))
	}
	for _, name := range o.apiServices {
		if version, group, ok := strings.Cut(name, "."); !ok || version == "" || group == "" || strings.Contains(name, "/") {
			errs = append(errs, fmt.Errorf("--apiservices=%s: must be VERSION.GROUP", name))
		}
	}
	if _, _, ok := splitName(o.service); !ok && o.service != "" {
		errs = append(errs, fmt.Errorf("--service=%s: must be NAMESPACE/NAME", o.service))
	}
	if o.timeout <= 0 || o.wait < 0 {
		errs = append(errs, errors.New("--timeout must be more than 0, and --wait must not be less"))
	}
	return errors.Join(errs...)
}

// run looks at each, again for o.wait at those that fail, and writes a line about each.
func (o *checkOptions) run(ctx context.Context, config *rest.Config, out io.Writer) error {
	client, err := aggregator.NewForConfig(config)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	failed := 0
	for _, name := range o.apiServices {
		var problem error
		_ = wait.PollUntilContextCancel(waiting, checkInterval, true, func(context.Context) (bool, error) {
			problem = o.look(ctx, client, name) // which has deadlines of its own
			return problem == nil, nil
		})
		if problem != nil {
			failed++
			fmt.Fprintf(out, "%s: FAILED: %v\n", name, problem)
			continue
		}
		fmt.Fprintf(out, "%s: ok\n", name)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d APIServices do not answer", failed, len(o.apiServices))
	}
	return nil
}

// look asks kube-apiserver what it thinks of an APIService, and then by way of it the server.
func (o *checkOptions) look(ctx context.Context, client *aggregator.ApiregistrationV1Client, name string) error {
	asking, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	api, err := client.APIServices().Get(asking, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return errors.New("there is none: nobody has registered it")
	}
	if err != nil {
		return err
	}
	if err := judge(api, o.service); err != nil {
		return err
	}
	version, group, _ := strings.Cut(name, ".")
	asking, cancel = context.WithTimeout(ctx, o.timeout)
	defer cancel()
	body, err := client.RESTClient().Get().AbsPath("/apis", group, version).SetHeader("Accept", "application/json").DoRaw(asking)
	if err != nil {
		return fmt.Errorf("its discovery: %w", err)
	}
	return discovered(body, group+"/"+version)
}

// judge tells why an APIService is not one that the Service serves.
func judge(api *apiregistrationv1.APIService, service string) error {
	behind := "kube-apiserver itself"
	if s := api.Spec.Service; s != nil {
		behind = s.Namespace + "/" + s.Name
	}
	if service != "" && behind != service {
		return fmt.Errorf("behind it is %s, and not %s: one of them has to give it up", behind, service)
	}
	for _, c := range api.Status.Conditions {
		if c.Type != apiregistrationv1.Available {
			continue
		}
		if c.Status != apiregistrationv1.ConditionTrue {
			return fmt.Errorf("not available: %s: %s", c.Reason, c.Message)
		}
		return nil
	}
	return errors.New("not available: kube-apiserver has not looked at it yet")
}

// discovered tells why an answer is not the discovery of a group's version.
func discovered(body []byte, groupVersion string) error {
	var list metav1.APIResourceList
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("its discovery is no JSON: %w", err)
	}
	if list.GroupVersion != groupVersion {
		return fmt.Errorf("its discovery is about %q", list.GroupVersion)
	}
	return nil
}
