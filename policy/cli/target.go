package cli

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/convert"
)

// targets reads arguments as kubectl does: TYPE/NAME…, or TYPE[,TYPE…] NAME….
func (e *env) targets(args []string) ([]v1alpha1.TargetReference, error) {
	named, err := pairs(args)
	if err != nil {
		return nil, err
	}
	all := make([]v1alpha1.TargetReference, 0, len(named))
	for _, n := range named {
		t, err := convert.Target(n[0] + "/" + n[1])
		if err != nil {
			var lookUpErr error
			if t, lookUpErr = e.lookUp(n[0], n[1]); lookUpErr != nil {
				return nil, usagef("%s (%s)", err, lookUpErr)
			}
		}
		all = append(all, t)
	}
	return all, nil
}

// pairs returns a type and a name for each object that is meant.
func pairs(args []string) ([][2]string, error) {
	var all [][2]string
	if strings.Contains(args[0], "/") {
		for _, arg := range args {
			of, name, ok := strings.Cut(arg, "/")
			if !ok || of == "" || name == "" || strings.Contains(name, "/") {
				return nil, usagef("%q is no target: give TYPE/NAME, such as deployment/web", arg)
			}
			all = append(all, [2]string{of, name})
		}
		return all, nil
	}
	if len(args) == 1 {
		return nil, usagef("%s: of what name? Give TYPE/NAME, such as deployment/web", args[0])
	}
	for _, of := range strings.Split(args[0], ",") {
		for _, name := range args[1:] {
			if of == "" || name == "" || strings.Contains(name, "/") {
				return nil, usagef("%q is no target: give TYPE NAME or TYPE/NAME, not both", of+" "+name)
			}
			all = append(all, [2]string{of, name})
		}
	}
	return all, nil
}

// lookUp asks the cluster for a kind that is not built in, by any of its names.
func (e *env) lookUp(of, name string) (v1alpha1.TargetReference, error) {
	if err := e.reachable(); err != nil {
		return v1alpha1.TargetReference{}, fmt.Errorf("and no cluster can be asked: %w", err)
	}
	mapper, err := e.flags.ToRESTMapper()
	if err != nil {
		return v1alpha1.TargetReference{}, err
	}
	resource, groupResource := schema.ParseResourceArg(of)
	if resource == nil {
		r := groupResource.WithVersion("")
		resource = &r
	}
	kind, err := mapper.KindFor(*resource)
	if err != nil {
		kind, err = mapper.KindFor(groupResource.WithVersion(""))
	}
	if err != nil {
		return v1alpha1.TargetReference{}, errors.New("nor does the cluster know it")
	}
	return v1alpha1.TargetReference{APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Name: name}, nil
}

// reachable says why the cluster cannot be asked. The mapper would log it, several times
// and in its library's format.
func (e *env) reachable() error {
	config, err := e.flags.ToRESTConfig()
	if err != nil {
		return err
	}
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	_, err = client.ServerVersion()
	return err
}
