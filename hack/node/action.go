package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// target is the container that an action (a probe or a hook) acts on.
type target struct {
	ip    string
	ports []corev1.ContainerPort
	exec  func(argv []string) (command, error)
}

// act runs a handler once; nil is success. ctx bounds it.
func (t *target) act(ctx context.Context, h *corev1.LifecycleHandler) error {
	switch {
	case h.HTTPGet != nil:
		return t.httpGet(ctx, h.HTTPGet)
	case h.TCPSocket != nil:
		return t.connect(ctx, h.TCPSocket)
	case h.Exec != nil:
		return t.execute(ctx, h.Exec.Command)
	case h.Sleep != nil:
		return sleep(ctx, time.Duration(h.Sleep.Seconds)*time.Second)
	}
	return errors.New("this kind of handler is not supported by a process node")
}

func (t *target) port(p intstr.IntOrString) (string, error) {
	if p.Type == intstr.Int {
		return strconv.Itoa(p.IntValue()), nil
	}
	for _, port := range t.ports {
		if port.Name == p.StrVal {
			return strconv.Itoa(int(port.ContainerPort)), nil
		}
	}
	return "", fmt.Errorf("the container has no port named %q", p.StrVal)
}

func (t *target) httpGet(ctx context.Context, get *corev1.HTTPGetAction) error {
	port, err := t.port(get.Port)
	if err != nil {
		return err
	}
	u, err := url.Parse(get.Path)
	if err != nil {
		return fmt.Errorf("path %q: %w", get.Path, err)
	}
	u.Scheme, u.Host, u.User = "http", net.JoinHostPort(t.ip, port), nil
	if get.Scheme == corev1.URISchemeHTTPS {
		u.Scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	// Programs know a probe by what stands before the slash.
	req.Header.Set("User-Agent", "kube-probe/process-node")
	for _, h := range get.HTTPHeaders {
		req.Header.Add(h.Name, h.Value)
		if strings.EqualFold(h.Name, "Host") {
			req.Host = h.Value
		}
	}
	client := &http.Client{
		// As the kubelet: a fresh connection each time, and no verification, since
		// a probe knows no CA and asks by IP.
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		// A redirect is an answer; following it could leave the pod.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode >= 400 {
		return fmt.Errorf("HTTP status %d: %s", resp.StatusCode, strings.TrimSpace(string(body)))
	}
	return nil
}

func (t *target) connect(ctx context.Context, socket *corev1.TCPSocketAction) error {
	port, err := t.port(socket.Port)
	if err != nil {
		return err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(t.ip, port))
	if err != nil {
		return err
	}
	return conn.Close()
}

func (t *target) execute(ctx context.Context, argv []string) error {
	if len(argv) == 0 {
		return errors.New("exec: no command")
	}
	c, err := t.exec(argv)
	if err != nil {
		return err
	}
	p, err := startProcess(c)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		if err := p.signal(syscall.SIGKILL); err != nil {
			return err
		}
		<-p.done
		return ctx.Err()
	}
	if p.code != 0 {
		return fmt.Errorf("exit code %d", p.code)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
