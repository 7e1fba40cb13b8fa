package node

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// followInterval is how often a followed log is looked at.
const followInterval = 200 * time.Millisecond

// listenLogs opens the port on which the API server asks for logs, as it asks a
// kubelet. Nobody is authenticated there, so it opens in a namespace of our own
// only; elsewhere the port is 0 and kubectl logs has no answer.
func (n *Node) listenLogs() (net.Listener, int32, error) {
	if !n.opts.Isolated {
		return nil, 0, nil
	}
	cert, err := selfSigned(n.now())
	if err != nil {
		return nil, 0, err
	}
	l, err := tls.Listen("tcp", net.JoinHostPort(n.hostIP, "0"), &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, 0, fmt.Errorf("port for kubectl logs: %w", err)
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return nil, 0, errors.Join(fmt.Errorf("port for kubectl logs: %s is no TCP address", l.Addr()), l.Close())
	}
	return l, int32(addr.Port), nil
}

// selfSigned makes a certificate. An API server without
// --kubelet-certificate-authority does not verify it.
func selfSigned(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// serveLogs answers until ctx ends.
func (n *Node) serveLogs(ctx context.Context, l net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", n.containerLogs)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(n.opts.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx }}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		n.opts.Log.Warn("kubectl logs is not answered", "err", err)
	}
}

func (n *Node) containerLogs(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	for _, name := range []string{"sinceSeconds", "sinceTime", "timestamps", "previous", "limitBytes"} {
		if v := query.Get(name); v != "" && v != "false" {
			http.Error(w, name+": a process node keeps one plain file of all starts; use --tail and --follow", http.StatusBadRequest)
			return
		}
	}
	log, err := n.Log(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer log.Close()
	var from io.Reader = log
	if tail, err := strconv.Atoi(query.Get("tailLines")); err == nil && tail >= 0 {
		last, err := lastLines(log, tail)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		from = io.MultiReader(bytes.NewReader(last), log)
	}
	follow := query.Get("follow") == "true"
	for {
		if _, err := io.Copy(w, from); err != nil || !follow {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil || sleep(r.Context(), followInterval) != nil {
			return
		}
		if _, err := n.find(r.PathValue("namespace"), r.PathValue("pod")); err != nil {
			follow = false // the pod is gone: what it last wrote, and the end
		}
		from = log
	}
}

// lastLines reads r to its end and returns the last count lines. It keeps no
// more than those.
func lastLines(r io.Reader, count int) ([]byte, error) {
	var kept []string
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			kept = append(kept, line)
		}
		if len(kept) > count {
			kept = kept[len(kept)-count:]
		}
		if errors.Is(err, io.EOF) {
			return []byte(strings.Join(kept, "")), nil
		}
		if err != nil {
			return nil, err
		}
	}
}
