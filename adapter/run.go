package adapter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	cmapiserver "sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded/builtin"
)

// maxConfig bounds the configuration file, in bytes.
const maxConfig = 4 << 20

// stopTimeout bounds the wait, after the server has stopped, for what ran beside
// it. All of that ends with its context, in milliseconds.
const stopTimeout = 5 * time.Second

// Run serves until ctx ends. It returns when everything it started has ended, or
// with an error that names what has not within stopTimeout.
func Run(ctx context.Context, o *Options) error {
	o.complete()
	content, rules, err := o.loadRules()
	if err != nil {
		return err
	}
	sayWarnings(klog.FromContext(ctx), rules)
	config, err := clientConfig(o)
	if err != nil {
		return err
	}
	// Watches and loops outlive the server: it answers until its last request.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	parts, err := build(background, o, rules, config)
	if err != nil {
		return err
	}
	parts.reload(o, content, rules)
	server, err := startWithin(ctx, startTimeout, func() (*cmapiserver.CustomMetricsAdapterServer, error) {
		return newServer(ctx, o, config, rules, parts)
	})
	if server == nil {
		return err
	}
	if o.MetricsBindAddress != "" {
		if parts.plain, err = net.Listen("tcp", o.MetricsBindAddress); err != nil {
			return fmt.Errorf("--metrics-bind-address: %w", err)
		}
	}
	var beside tasks
	parts.start(background, &beside, o)
	err = server.GenericAPIServer.PrepareRun().RunWithContext(ctx)
	stop()
	return errors.Join(err, parts.wait(&beside, stopTimeout))
}

// startTimeout bounds the making of the server. To begin with, the library looks up
// the cluster's authentication configuration, with requests without a deadline.
const startTimeout = 30 * time.Second

// startWithin returns what start does. When ctx ends first it returns nil without
// an error. start is then left to itself, for the process is about to end.
func startWithin[T any](ctx context.Context, limit time.Duration, start func() (*T, error)) (*T, error) {
	type result struct {
		made *T
		err  error
	}
	done := make(chan result, 1)
	go func() {
		made, err := start()
		done <- result{made, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.made, r.err
	case <-ctx.Done():
		return nil, nil
	case <-timer.C:
		return nil, fmt.Errorf("not started within %s: the Kubernetes API server does not answer for its authentication configuration, the ConfigMap kube-system/extension-apiserver-authentication", limit)
	}
}

// loadRules reads and compiles the file or, where none is given, the built-in rules.
func (o *Options) loadRules() ([]byte, *rule.Set, error) {
	if o.ConfigFile == "" {
		content := builtin.Rules(o.Scrape.Interval)
		rules, err := o.compile(content)
		return content, rules, err
	}
	content, err := readConfig(o.ConfigFile)
	if err != nil {
		return nil, nil, err
	}
	rules, err := o.compile(content)
	if err != nil {
		return nil, nil, fmt.Errorf("--config=%s:\n%w", o.ConfigFile, err)
	}
	return content, rules, nil
}

// compile compiles a configuration for what these options have it used by. One that says
// nothing of rules gets the built-in ones where pods are scraped, for those need no more than
// pods and exporters have; a section of rules, if only an empty one, is all that there is.
func (o *Options) compile(content []byte) (*rule.Set, error) {
	rules, err := rule.Compile(content, o.check)
	if err != nil {
		return nil, err
	}
	switch {
	case !rules.Ruleless:
	case o.Source.URL != "":
		rules.Warnings = append(rules.Warnings, "there are no rules, and the built-in ones are for pods that are scraped here: no metric is served")
	default:
		usual, err := rule.Compile(builtin.Rules(o.Scrape.Interval))
		if err != nil {
			return nil, fmt.Errorf("the built-in rules: %w", err)
		}
		rules.Custom, rules.External = usual.Custom, usual.External
	}
	// One file may serve adapters of both kinds.
	switch {
	case len(rules.Exporters) == 0:
	case o.Source.URL != "":
		rules.Warnings = append(rules.Warnings, "exporters have no effect with --prometheus-url, which scrapes itself: nothing is scraped here")
	case rules.Unsourced() == "":
		rules.Warnings = append(rules.Warnings, "exporters have no effect while every rule names a source: nothing is scraped here")
	}
	return rules, nil
}

// sayWarnings tells what of a configuration is accepted and has no effect.
func sayWarnings(log klog.Logger, rules *rule.Set) {
	for _, w := range rules.Warnings {
		log.Info("Configuration", "warning", w)
	}
}

// readConfig reads the configuration, or so much more than is allowed of it that its
// compilation fails.
func readConfig(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	return content, nil
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
