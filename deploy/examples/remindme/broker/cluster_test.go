package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/loadline/loadline/deploy/examples/remindme/broker"
	"github.com/loadline/loadline/deploy/examples/remindme/queue"
)

// ofThree are the options of three servers that know each other's addresses.
func ofThree(t *testing.T) []broker.Options {
	t.Helper()
	var all []broker.Options
	var routes []*url.URL
	for i := range 3 {
		o := broker.Options{Host: "127.0.0.1", Port: freePort(t), ServerName: fmt.Sprintf("test-%d", i), StoreDir: t.TempDir(),
			MaxStore: 64 << 20, ClusterPort: freePort(t), Schema: queue.SchemaOptions{Replicas: 3, AckWait: time.Second}}
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", o.ClusterPort)})
		all = append(all, o)
	}
	for i := range all {
		all[i].Routes = routes
	}
	return all
}

// startMember starts a server without waiting for the schema, for which it needs
// the others.
func startMember(t *testing.T, o broker.Options) *node {
	t.Helper()
	b, err := broker.Start(o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, opts: o, broker: b}
	t.Cleanup(func() { n.broker.Close() })
	return n
}

// The first of three servers is not ready before others are there. So a StatefulSet
// that starts the next one only when the last is ready would never get beyond the
// first: see podManagementPolicy in manifests/queue.yaml.
func TestFirstOfThreeIsReadyOnlyWithOthers(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	all := ofThree(t)
	first := startMember(t, all[0])
	alone, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := first.broker.Prepare(alone, all[0].Schema, quiet); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("one of three, alone: %v; want it to wait", err)
	}
	startMember(t, all[1])
	startMember(t, all[2])
	together, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := first.broker.Prepare(together, all[0].Schema, quiet); err != nil {
		t.Errorf("together: %v", err)
	}
}

func TestClusterOfThreeOutlivesOneServer(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	all := ofThree(t)
	var nodes []*node
	var urls []string
	for _, o := range all {
		n := startMember(t, o)
		nodes = append(nodes, n)
		urls = append(urls, n.broker.URL())
	}
	if err := nodes[0].broker.Prepare(t.Context(), all[0].Schema, quiet); err != nil {
		t.Fatal(err)
	}
	nc, err := queue.Connect(strings.Join(urls, ","), t.Name(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c, err := queue.NewClient(nc, 1000, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		create(t, c, "due", 0)
	}
	create(t, c, "soon", 3*time.Second)
	nodes[0].broker.Close()
	eventually(t, func() bool {
		d, err := queue.ReadDepth(t.Context(), nodes[1].broker.JetStream())
		return err == nil && d.Reminders == 11
	}, "ten reminders and the scheduled one, on the two that are left")
	nodes[0].start()
	nodes[0].waitDepth(11)
}
