package broker_test

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/loadline/loadline/deploy/examples/remindme/broker"
	"github.com/loadline/loadline/deploy/examples/remindme/queue"
)

func TestClusterOfThreeOutlivesOneServer(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	var routes []*url.URL
	var all []broker.Options
	for i := range 3 {
		o := broker.Options{Host: "127.0.0.1", Port: freePort(t), ServerName: fmt.Sprintf("test-%d", i), StoreDir: t.TempDir(),
			MaxStore: 64 << 20, ClusterPort: freePort(t), Schema: queue.SchemaOptions{Replicas: 3, AckWait: time.Second}}
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", o.ClusterPort)})
		all = append(all, o)
	}
	var nodes []*node
	var urls []string
	for _, o := range all {
		o.Routes = routes
		b, err := broker.Start(o, quiet)
		if err != nil {
			t.Fatal(err)
		}
		n := &node{t: t, opts: o, broker: b}
		t.Cleanup(func() { n.broker.Close() })
		nodes = append(nodes, n)
		urls = append(urls, b.URL())
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
