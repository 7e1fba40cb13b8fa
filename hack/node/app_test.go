package node

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	authnv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// testApp is what the tests' containers run; mode says as what. It configures
// itself as a program in a container does: by environment and files.
func testApp(mode string) int {
	switch mode {
	case "exit":
		fmt.Println("args", os.Args[1:])
		if len(os.Args) > 1 && os.Args[1] == "fail" {
			return 3
		}
		return 0
	case "hang": // ends by SIGKILL only, with a child
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		for { // a bare select {} is a deadlock to the runtime where there is no cgo
			time.Sleep(time.Hour)
		}
	case "env":
		fmt.Println(strings.Join(os.Environ(), "\n"))
		return 0
	}
	return serveApp(mode)
}

func serveApp(version string) int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s %s", version, os.Getenv("POD_NAME"))
	})
	mux.HandleFunc("/config", func(w http.ResponseWriter, _ *http.Request) { showFile(w, os.Getenv("CONFIG")) })
	mux.HandleFunc("/state", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			data, err := io.ReadAll(io.LimitReader(r.Body, 1024))
			if err == nil {
				err = os.WriteFile(os.Getenv("STATE"), data, 0o600)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
			return
		}
		showFile(w, os.Getenv("STATE"))
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(os.Environ(), "\n")) })
	mux.HandleFunc("/whoami", func(w http.ResponseWriter, r *http.Request) {
		name, err := whoami(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, name)
	})
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(os.Getenv("UNREADY")); err == nil {
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Addr: net.JoinHostPort(os.Getenv("POD_IP"), "8080"), Handler: mux, ReadHeaderTimeout: time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	fmt.Println("listening on", server.Addr)
	select {
	case err := <-failed:
		fmt.Println(err)
		return 1
	case <-ctx.Done():
	}
	if until := os.Getenv("LINGER_WHILE"); until != "" {
		return lingerWhile(until)
	}
	return 0
}

// lingerWhile stays until the test removes the file.
func lingerWhile(file string) int {
	deadline := time.After(10 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(file); err != nil {
			return 0
		}
		select {
		case <-tick.C:
		case <-deadline:
			fmt.Println("nobody removed", file)
			return 1
		}
	}
}

func showFile(w http.ResponseWriter, path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(data)
}

func whoami(ctx context.Context) (string, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return "", err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return "", err
	}
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authnv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return review.Status.UserInfo.Username, nil
}
