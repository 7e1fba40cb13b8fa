package target

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/loadline/loadline/provider/endpoint"
)

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

// newPod is one that is scraped, changed by with.
func newPod(name string, with ...func(*Pod)) Pod {
	p := Pod{
		Namespace: "shop", Name: name, UID: "u-" + name, Labels: map[string]string{"app": "web"}, Node: "n1",
		IPs: []netip.Addr{ip("10.0.0.1")}, HostIPs: []netip.Addr{ip("192.168.0.1")}, Running: true, Ports: []Port{{"http", 8080}, {"metrics", 9090}},
	}
	for _, w := range with {
		w(&p)
	}
	return p
}

func annotated(pairs ...string) func(*Pod) {
	return func(p *Pod) {
		p.Annotations = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			p.Annotations["prometheus.io/"+pairs[i]] = pairs[i+1]
		}
	}
}

func at(addresses ...string) func(*Pod) {
	return func(p *Pod) {
		p.IPs = nil
		for _, a := range addresses {
			p.IPs = append(p.IPs, ip(a))
		}
	}
}

func ports(of ...Port) func(*Pod) { return func(p *Pod) { p.Ports = of } }

func selecting(namespace, selector string) Selection {
	parsed, err := labels.Parse(selector)
	if err != nil {
		panic(err)
	}
	return Selection{Namespace: namespace, Selector: parsed}
}

// lines are targets as ID and what else they have, refusals as who and why.
func lines(targets []Target, refused []Refusal) (out []string) {
	for _, t := range targets {
		line := t.ID() + " on " + t.Node
		if t.Exporter != "" {
			line += fmt.Sprintf(" exporter %s, honored: %t", t.Exporter, t.Honor)
		}
		out = append(out, line)
	}
	for _, r := range refused {
		who := r.Namespace + "/" + r.Pod
		if r.Exporter != "" {
			who += " exporter " + r.Exporter
		}
		out = append(out, who+": "+r.Reason)
	}
	return out
}

func TestList(t *testing.T) {
	web := []Selection{selecting("shop", "app=web")}
	for name, tc := range map[string]struct {
		pods   []Pod
		wanted []Selection
		fence  Fence
		want   []string
	}{
		"a port called metrics": {pods: []Pod{newPod("a")}, want: []string{"shop/a http://10.0.0.1:9090/metrics on n1"}},
		"several of them": {
			pods: []Pod{newPod("a", ports(Port{"metrics", 1}, Port{"metrics", 2}, Port{"metrics", 1}))},
			want: []string{"shop/a http://10.0.0.1:1/metrics on n1", "shop/a http://10.0.0.1:2/metrics on n1"},
		},
		"annotations": {
			pods: []Pod{newPod("a", annotated("scrape", "true", "port", "81", "path", "/m", "scheme", "https"))},
			want: []string{"shop/a https://10.0.0.1:81/m on n1"},
		},
		"a path for the port called metrics": {pods: []Pod{newPod("a", annotated("path", "/m"))}, want: []string{"shop/a http://10.0.0.1:9090/m on n1"}},
		"a port alone":                       {pods: []Pod{newPod("a", annotated("port", "81"))}, want: []string{"shop/a http://10.0.0.1:81/metrics on n1"}},
		"the only port, if it says scrape":   {pods: []Pod{newPod("a", annotated("scrape", "true"), ports(Port{"http", 80}))}, want: []string{"shop/a http://10.0.0.1:80/metrics on n1"}},
		"… and not if it does not": {
			pods: []Pod{newPod("a", ports(Port{"http", 80}))},
			want: []string{`shop/a: it has neither the annotation prometheus.io/scrape: "true" nor a container port of the name "metrics"`},
		},
		"one of several ports": {
			pods: []Pod{newPod("a", annotated("scrape", "true"), ports(Port{"http", 80}, Port{"grpc", 81}))},
			want: []string{`shop/a: it has several ports, and none of the name "metrics": give it the annotation prometheus.io/port`},
		},
		"no port": {
			pods: []Pod{newPod("a", annotated("scrape", "true"), ports())},
			want: []string{`shop/a: it declares no port: give it the annotation prometheus.io/port`},
		},
		"it does not want to":         {pods: []Pod{newPod("a", annotated("scrape", "false"))}, want: []string{"shop/a: its annotation prometheus.io/scrape is false"}},
		"annotations that are wrong":  {pods: []Pod{newPod("a", annotated("port", "x"))}, want: []string{`shop/a: the annotation prometheus.io/port is "x", which is no number from 1 to 65535`}},
		"a pod that nobody wants":     {pods: []Pod{newPod("a", func(p *Pod) { p.Labels = nil })}},
		"… in another namespace":      {pods: []Pod{newPod("a", func(p *Pod) { p.Namespace = "other" })}},
		"a selector of all":           {pods: []Pod{newPod("a")}, wanted: []Selection{{Namespace: "shop", Selector: labels.Everything()}}},
		"wanted by two":               {pods: []Pod{newPod("a")}, wanted: append(web, selecting("shop", "app in (web,x)")), want: []string{"shop/a http://10.0.0.1:9090/metrics on n1"}},
		"a pod that does not run":     {pods: []Pod{newPod("a", func(p *Pod) { p.Running = false })}},
		"no address yet":              {pods: []Pod{newPod("a", at())}, want: []string{"shop/a: it has no address yet"}},
		"no node":                     {pods: []Pod{newPod("a", func(p *Pod) { p.Node = "" })}, want: []string{"shop/a: it is on no node"}},
		"two addresses":               {pods: []Pod{newPod("a", at("2001:db8::1", "10.0.0.1"))}, want: []string{"shop/a http://[2001:db8::1]:9090/metrics on n1"}},
		"loopback":                    {pods: []Pod{newPod("a", at("127.0.0.1"))}, want: []string{"shop/a: 127.0.0.1 is loopback, where only the adapter's own pod listens"}},
		"loopback, for development":   {pods: []Pod{newPod("a", at("127.0.0.2"))}, fence: Fence{Loopback: true}, want: []string{"shop/a http://127.0.0.2:9090/metrics on n1"}},
		"an address of a cloud":       {pods: []Pod{newPod("a", at("169.254.169.254"))}, want: []string{"shop/a: 169.254.169.254 is an address of the link, where clouds have their credentials"}},
		"the API server":              {pods: []Pod{newPod("a", at("10.0.0.9"))}, fence: Fence{Denied: map[netip.Addr]string{ip("10.0.0.9"): "the API server"}}, want: []string{"shop/a: 10.0.0.9 is the address of the API server"}},
		"its node's address":          {pods: []Pod{newPod("a", at("192.168.0.1"))}, fence: Fence{HostNetwork: true}, want: []string{"shop/a: 192.168.0.1 is the address of its node, and it does not have the node's network"}},
		"another node's address":      {pods: []Pod{newPod("a", at("192.168.0.2"))}, fence: Fence{HostNetwork: true, Nodes: map[netip.Addr]bool{ip("192.168.0.2"): true}}, want: []string{"shop/a: 192.168.0.2 is the address of a node, where more listens than a pod: allow hostNetwork for such"}},
		"the node's network":          {pods: []Pod{newPod("a", func(p *Pod) { p.HostNetwork = true }, at("192.168.0.1"))}, want: []string{"shop/a: it has the network of its node (hostNetwork), where more listens than it: allow that for such pods to be scraped"}},
		"the node's network, allowed": {pods: []Pod{newPod("a", func(p *Pod) { p.HostNetwork = true }, at("192.168.0.1"))}, fence: Fence{HostNetwork: true, Nodes: map[netip.Addr]bool{ip("192.168.0.1"): true}}, want: []string{"shop/a http://192.168.0.1:9090/metrics on n1"}},
		"in order":                    {pods: []Pod{newPod("b", at("10.0.0.2")), newPod("a")}, want: []string{"shop/a http://10.0.0.1:9090/metrics on n1", "shop/b http://10.0.0.2:9090/metrics on n1"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Pods: tc.pods, Wanted: tc.wanted, Fence: tc.fence}
			if in.Wanted == nil {
				in.Wanted = web
			}
			if diff := cmp.Diff(tc.want, lines(List(in))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestListExporters(t *testing.T) {
	queue := endpoint.Exporter{Name: "queue", Namespace: "shop", Service: "queue", PortName: "metrics", Path: "/metrics", Scheme: "http", HonorLabels: true}
	endpointOf := func(pod, uid, address string) Endpoint {
		return Endpoint{Namespace: "shop", Service: "queue", Pod: pod, UID: uid, Address: ip(address)}
	}
	byPods := endpoint.Exporter{Name: "queue", Namespace: "shop", Pods: selecting("", "app=web").Selector, Port: 8080, Path: "/q", Scheme: "http"}
	for name, tc := range map[string]struct {
		exporter  endpoint.Exporter
		endpoints []Endpoint
		pods      []Pod
		wanted    []Selection
		want      []string
	}{
		"by pods":                       {exporter: byPods, pods: []Pod{newPod("a")}, want: []string{"shop/a http://10.0.0.1:8080/q on n1 exporter queue, honored: false"}},
		"by a Service":                  {exporter: queue, endpoints: []Endpoint{endpointOf("a", "u-a", "10.0.0.1")}, pods: []Pod{newPod("a")}, want: []string{"shop/a http://10.0.0.1:9090/metrics on n1 exporter queue, honored: true"}},
		"an address that is not mapped": {exporter: queue, endpoints: []Endpoint{endpointOf("a", "", "::ffff:10.0.0.1")}, pods: []Pod{newPod("a")}, want: []string{"shop/a http://10.0.0.1:9090/metrics on n1 exporter queue, honored: true"}},
		"an address of nobody's":        {exporter: queue, endpoints: []Endpoint{endpointOf("a", "u-a", "10.9.9.9")}, pods: []Pod{newPod("a")}, want: []string{"shop/ exporter queue: no running pod is a ready endpoint of the Service queue"}},
		"a pod of that name before":     {exporter: queue, endpoints: []Endpoint{endpointOf("a", "u-before", "10.0.0.1")}, pods: []Pod{newPod("a")}, want: []string{"shop/ exporter queue: no running pod is a ready endpoint of the Service queue"}},
		"no pod":                        {exporter: queue, endpoints: []Endpoint{endpointOf("", "", "10.0.0.1")}, pods: []Pod{newPod("a")}, want: []string{"shop/ exporter queue: no running pod is a ready endpoint of the Service queue"}},
		"another Service": {
			exporter: queue, endpoints: []Endpoint{{Namespace: "shop", Service: "web", Pod: "a", Address: ip("10.0.0.1")}}, pods: []Pod{newPod("a")},
			want: []string{"shop/ exporter queue: no running pod is a ready endpoint of the Service queue"},
		},
		"a pod of another namespace": {
			exporter: queue, endpoints: []Endpoint{{Namespace: "other", Service: "queue", Pod: "a", Address: ip("10.0.0.1")}}, pods: []Pod{newPod("a", func(p *Pod) { p.Namespace = "other" })},
			want: []string{"shop/ exporter queue: no running pod is a ready endpoint of the Service queue"},
		},
		"a pod that has ended": {exporter: queue, endpoints: []Endpoint{endpointOf("a", "", "10.0.0.1")}, pods: []Pod{newPod("a", func(p *Pod) { p.Running = false })}},
		"without the port":     {exporter: queue, endpoints: []Endpoint{endpointOf("a", "", "10.0.0.1")}, pods: []Pod{newPod("a", ports())}, want: []string{`shop/a exporter queue: it has no container port of the name "metrics"`}},
		"it asks not to be": {
			exporter: byPods, pods: []Pod{newPod("a", func(p *Pod) { p.Annotations = map[string]string{AnnotationScrape: "false"} })},
			want: []string{"shop/a exporter queue: its annotation prometheus.io/scrape is false"},
		},
		"the address of a cloud": {exporter: byPods, pods: []Pod{newPod("a", at("169.254.0.1"))}, want: []string{"shop/a exporter queue: 169.254.0.1 is an address of the link, where clouds have their credentials"}},
		"its own pods are wanted, too": {
			exporter: queue, endpoints: []Endpoint{endpointOf("a", "", "10.0.0.1")}, pods: []Pod{newPod("a")}, wanted: []Selection{selecting("shop", "app=web")},
			want: []string{"shop/a http://10.0.0.1:9090/metrics on n1 exporter queue, honored: true"},
		},
		"labels of nobody": {exporter: byPods, want: []string{"shop/ exporter queue: no running pod has the labels app=web"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := lines(List(Input{Pods: tc.pods, Wanted: tc.wanted, Exporters: []endpoint.Exporter{tc.exporter}, Endpoints: tc.endpoints}))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Two exporters of the file have one pod: it is scraped once, and whoever has listed the other
// one learns that it is not, for it may be that which honors labels.
func TestTwoExportersOfOnePod(t *testing.T) {
	one := endpoint.Exporter{Name: "one", Namespace: "shop", Pods: selecting("", "app=web").Selector, Port: 8080, Path: "/q", Scheme: "http"}
	two := one
	two.Name, two.HonorLabels = "two", true
	other := one
	other.Name, other.Path = "other", "/other"
	want := []string{
		"shop/a http://10.0.0.1:8080/other on n1 exporter other, honored: false",
		"shop/a http://10.0.0.1:8080/q on n1 exporter one, honored: false",
		"shop/a exporter two: port 8080 and path /q of it are those of the exporter one already",
	}
	if diff := cmp.Diff(want, lines(List(Input{Pods: []Pod{newPod("a")}, Exporters: []endpoint.Exporter{one, two, other}}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFence(t *testing.T) {
	f := Fence{Nodes: map[netip.Addr]bool{ip("192.168.0.1"): true}, Denied: map[netip.Addr]string{ip("10.96.0.1"): "the API server"}}
	for address, why := range map[string]string{
		"10.0.0.1": "", "2001:db8::1": "", "100.64.0.1": "",
		"127.0.0.1": "loopback", "::1": "loopback", "::ffff:127.0.0.1": "loopback", "127.255.255.254": "loopback",
		"0.0.0.0": "no address of anybody", "::": "no address of anybody",
		"169.254.169.254": "of the link", "fe80::1": "of the link", "fe80::1%eth0": "of a link", "::ffff:169.254.169.254": "of the link",
		"224.0.0.1": "of many", "ff02::1": "of many", "255.255.255.255": "of all",
		"fd00:ec2::254": "credentials", "fd20:ce::254": "credentials", "100.100.100.200": "credentials", "168.63.129.16": "credentials", "192.0.0.192": "credentials",
		"64:ff9b::a9fe:a9fe": "translated", "64:ff9b:1::7f00:1": "translated", "2002:7f00:1::1": "translated", "::7f00:1": "translated",
		"192.168.0.1": "of a node", "10.96.0.1": "of the API server", "::ffff:10.96.0.1": "of the API server",
	} {
		err := f.Check(ip(address))
		if (err == nil) != (why == "") || err != nil && !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", address, err, why)
		}
	}
	if f.Check(netip.Addr{}) == nil {
		t.Error("no address passes")
	}
}

func TestFromPod(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", UID: "u", Labels: map[string]string{"app": "web"}, Annotations: map[string]string{AnnotationPort: "1", "secret": "x"}},
		Spec: corev1.PodSpec{
			NodeName: "n1",
			InitContainers: []corev1.Container{
				{RestartPolicy: &always, Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 15020}}},
			},
			Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80, Protocol: corev1.ProtocolTCP}, {Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP}, {ContainerPort: 70000}}}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1", PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}, {IP: "2001:db8::1"}, {IP: "x"}}, HostIP: "192.168.0.1", HostIPs: []corev1.HostIP{{IP: "192.168.0.1"}, {IP: "2001:db8::f"}}},
	}
	want := Pod{
		Namespace: "shop", Name: "a", UID: "u", Labels: p.Labels, Annotations: map[string]string{AnnotationPort: "1"}, Node: "n1",
		IPs: []netip.Addr{ip("10.0.0.1"), ip("2001:db8::1")}, HostIPs: []netip.Addr{ip("192.168.0.1"), ip("2001:db8::f")}, Running: true, Ports: []Port{{"metrics", 15020}, {"http", 80}},
	}
	comparer := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(want, FromPod(p), comparer); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	now := metav1.Now()
	p.DeletionTimestamp = &now
	if FromPod(p).Running {
		t.Error("a pod that is told to end runs")
	}
	p.DeletionTimestamp, p.Status.Phase = nil, corev1.PodSucceeded
	if FromPod(p).Running {
		t.Error("a pod that has ended runs")
	}
}
