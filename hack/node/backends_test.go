package node

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestSliceBackends(t *testing.T) {
	no, name, number := false, "http", int32(8080)
	at := func(ip string, c discoveryv1.EndpointConditions) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Addresses: []string{ip}, Conditions: c}
	}
	ready := discoveryv1.EndpointConditions{Ready: &yes}
	leaving := discoveryv1.EndpointConditions{Ready: &no, Serving: &yes, Terminating: &yes}
	unready := discoveryv1.EndpointConditions{Ready: &no, Serving: &no}
	slice := func(endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
		return &discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv4, Endpoints: endpoints,
			Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &number}}}
	}
	for label, test := range map[string]struct {
		slices []*discoveryv1.EndpointSlice
		port   string
		want   []string
	}{
		"ready ones, once": {[]*discoveryv1.EndpointSlice{slice(at("10.0.0.2", ready), at("10.0.0.1", ready)), slice(at("10.0.0.1", ready))}, "http", []string{"10.0.0.1:8080", "10.0.0.2:8080"}},
		"unready left out": {[]*discoveryv1.EndpointSlice{slice(at("10.0.0.1", ready), at("10.0.0.2", unready), at("10.0.0.3", leaving))}, "http", []string{"10.0.0.1:8080"}},
		"terminating last": {[]*discoveryv1.EndpointSlice{slice(at("10.0.0.2", unready), at("10.0.0.3", leaving))}, "http", []string{"10.0.0.3:8080"}},
		"another port":     {[]*discoveryv1.EndpointSlice{slice(at("10.0.0.1", ready))}, "metrics", nil},
	} {
		t.Run(label, func(t *testing.T) {
			if diff := cmp.Diff(test.want, sliceBackends(test.slices, test.port)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPodBackends(t *testing.T) {
	pod := func(ip string, ready corev1.ConditionStatus) *corev1.Pod {
		return &corev1.Pod{
			Spec:   corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}}},
			Status: corev1.PodStatus{PodIP: ip, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
		}
	}
	leaving := func(p *corev1.Pod) *corev1.Pod { p.DeletionTimestamp = &metav1.Time{}; return p }
	named := corev1.ServicePort{Port: 80, TargetPort: intstr.FromString("http")}
	for label, test := range map[string]struct {
		pods []*corev1.Pod
		port corev1.ServicePort
		want []string
	}{
		"ready ones":        {[]*corev1.Pod{pod("127.0.0.9", "True"), pod("127.0.0.8", "False"), pod("", "True"), pod("127.0.0.7", "True")}, named, []string{"127.0.0.7:8080", "127.0.0.9:8080"}},
		"by number":         {[]*corev1.Pod{pod("127.0.0.9", "True")}, corev1.ServicePort{Port: 80}, []string{"127.0.0.9:80"}},
		"a port of nobody":  {[]*corev1.Pod{pod("127.0.0.9", "True")}, corev1.ServicePort{Port: 80, TargetPort: intstr.FromString("none")}, nil},
		"not a leaving one": {[]*corev1.Pod{pod("127.0.0.9", "True"), leaving(pod("127.0.0.8", "True"))}, named, []string{"127.0.0.9:8080"}},
		"terminating last":  {[]*corev1.Pod{pod("127.0.0.9", "False"), leaving(pod("127.0.0.8", "True")), leaving(pod("127.0.0.7", "False"))}, named, []string{"127.0.0.8:8080"}},
	} {
		t.Run(label, func(t *testing.T) {
			if diff := cmp.Diff(test.want, podBackends(test.pods, test.port)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestForward(t *testing.T) {
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	go func() {
		for {
			conn, err := backend.Accept()
			if err != nil {
				return
			}
			go func() { // answers after the client has said all, as half-close allows
				defer conn.Close()
				data, err := io.ReadAll(conn)
				if err == nil {
					_, _ = conn.Write(append([]byte("got "), data...))
				}
			}()
		}
	}()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	to := make(chan []string, 1)
	f, err := forward("127.0.0.1:0", func() []string { list := <-to; return list }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	talk := func(backends ...string) (string, error) {
		to <- backends
		conn, err := net.DialTimeout("tcp", f.listener.Addr().String(), time.Second)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return "", err
		}
		if _, err := conn.Write([]byte("hi")); err != nil {
			return "", err
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			return "", err
		}
		answer, err := io.ReadAll(conn)
		return string(answer), err
	}
	for range 10 { // the dead one is chosen first about half of the time
		if got, err := talk(backend.Addr().String(), dead.Addr().String()); got != "got hi" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if got, err := talk(); got != "" || err == nil {
		t.Errorf("without a backend: %q, %v; want a reset", got, err)
	}
	to <- []string{backend.Addr().String()}
	open, err := net.Dial("tcp", f.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	f.stop() // must not wait for the client
	if err := open.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = bufio.NewReader(open).ReadByte()
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the connection outlives its forwarder: %v", err)
	}
}
