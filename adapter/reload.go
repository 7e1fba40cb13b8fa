package adapter

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/rule"
)

// reloadEvery is how often the configuration file is looked at. A mounted ConfigMap takes
// up to a minute to arrive.
const reloadEvery = 5 * time.Second

// reloader follows the configuration file. A file that cannot be used leaves the last good
// one in use.
type reloader struct {
	read    func() ([]byte, error)
	compile func([]byte) (*rule.Set, error)
	// apply puts rules in use, or says why they cannot be: what they need may come later, as
	// the Secret of a source does.
	apply func(context.Context, *rule.Set) error
	now   func() time.Time
	// served are the APIs that the process has been started with.
	custom, external, usage bool

	seen  []byte // the file's content at the newest look
	lost  bool   // it could not be read then
	waits error  // why it could not be put in use then, although it compiles

	mu     sync.Mutex
	loaded time.Time
	bad    error // why the newest content is not in use, or not all of it
}

// newReloader follows a file whose content is in use.
func newReloader(file string, content []byte, rules *rule.Set, compile func([]byte) (*rule.Set, error), apply func(context.Context, *rule.Set) error) *reloader {
	return &reloader{
		read: func() ([]byte, error) { return readConfig(file) }, compile: compile, apply: apply, now: time.Now,
		custom: len(rules.Custom) > 0, external: len(rules.External) > 0, usage: rules.Usage != nil,
		seen: content, loaded: time.Now(),
	}
}

// Run looks at the file until ctx ends.
func (r *reloader) Run(ctx context.Context) {
	ticker := time.NewTicker(reloadEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.look(ctx)
		}
	}
}

// look takes the file's content if it is another than at the last look, or could not be put in
// use then.
func (r *reloader) look(ctx context.Context) {
	log := klog.FromContext(ctx)
	content, err := r.read()
	if err != nil {
		// A ConfigMap is exchanged by renaming, and for a moment it may not be there.
		if !r.lost {
			log.Error(err, "The configuration file cannot be read; the last one stays in use")
		}
		r.lost = true
		r.set(r.loaded, err)
		return
	}
	again := bytes.Equal(content, r.seen)
	if again && !r.lost && r.waits == nil {
		return
	}
	r.lost, r.seen = false, content
	said := r.waits
	rules, err := r.compile(content)
	if err == nil && (!again || r.waits != nil) {
		err = r.apply(ctx, rules)
		r.waits = err
	} else if err != nil {
		r.waits = nil
	}
	if err != nil {
		if said == nil || err.Error() != said.Error() {
			log.Error(err, "The configuration file is bad; the last good one stays in use")
		}
		r.set(r.loaded, err)
		return
	}
	sayWarnings(log, rules)
	missing := r.unserved(rules)
	r.set(r.now(), missing)
	log.Info("The configuration file is in use", "custom rules", len(rules.Custom), "external rules", len(rules.External), "named sources", len(rules.Sources), "exporters", len(rules.Exporters))
	if missing != nil {
		log.Error(missing, "A part of the configuration file waits for a restart")
	}
}

// unserved says which API rules are there for that this process does not serve.
func (r *reloader) unserved(rules *rule.Set) error {
	var groups []string
	if len(rules.Custom) > 0 && !r.custom {
		groups = append(groups, "rules, for custom.metrics.k8s.io")
	}
	if len(rules.External) > 0 && !r.external {
		groups = append(groups, "externalRules, for external.metrics.k8s.io")
	}
	if rules.Usage != nil && !r.usage {
		groups = append(groups, "resourceRules, for metrics.k8s.io")
	}
	if len(groups) == 0 {
		return nil
	}
	return fmt.Errorf("the file has %s, which it had not when the process started: restart it to serve that API", strings.Join(groups, ", and "))
}

func (r *reloader) set(loaded time.Time, bad error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loaded, r.bad = loaded, bad
}

// status is when the configuration in use was loaded, and why the newest one is not in use
// as a whole; nil if it is.
func (r *reloader) status() (loaded time.Time, bad error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loaded, r.bad
}

// Name tells in /readyz?verbose whether the newest file is in use. It is a check that never
// fails, for a replica with the last good file answers as well as one with a new one; and
// the library prints of a check that passes its name only.
func (r *reloader) Name() string {
	if _, bad := r.status(); bad != nil {
		return "configuration-is-not-the-newest-file,-see-the-log"
	}
	return "configuration"
}

// Check implements healthz.HealthChecker.
func (r *reloader) Check(*http.Request) error { return nil }

var _ healthz.HealthChecker = (*reloader)(nil)
