package netns

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestListenThroughTheControlSocket(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	c, err := newControl()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	t.Setenv(envControl, c.path)
	taken, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, tc := range map[string]struct{ addr, want string }{
		"taken port":           {taken.Addr().String(), "address already in use"},
		"all interfaces":       {"0.0.0.0:0", "not a loopback address"},
		"unspecified address":  {":0", "not a loopback address"},
		"another machine's":    {"192.0.2.1:80", "not a loopback address"},
		"no port":              {"127.0.0.1", "missing port"},
		"more than it listens": {strings.Repeat("1", 1000), "read the request"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Listen(t.Context(), tc.addr)
			if err == nil {
				l.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestControlSocketInADeepDirectory(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), strings.Repeat("deep", 25)))
	if err := os.MkdirAll(os.TempDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := newControl()
	if err != nil {
		t.Fatal(err)
	}
	c.close()
	if _, err := os.Stat(c.dir.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", c.dir.Path, err)
	}
}

func TestListenNeedsANamespace(t *testing.T) {
	t.Setenv(envControl, "")
	if _, err := Listen(t.Context(), "127.0.0.1:0"); err == nil {
		t.Error("listens outside of nothing")
	}
}

func TestForward(t *testing.T) {
	echo := listen(t)
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); _, _ = io.Copy(conn, conn) }()
		}
	}()
	defer echo.Close()
	ctx, cancel := context.WithCancel(t.Context())
	front, ended := listen(t), make(chan error, 1)
	go func() { ended <- Forward(ctx, front, echo.Addr().String()) }()

	conn := dial(t, front)
	text := strings.Repeat("0123456789", 100_000)
	go func() { _, _ = io.WriteString(conn, text); _ = conn.CloseWrite() }()
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != text {
		t.Errorf("%d bytes came back of %d, %v", len(got), len(text), err)
	}

	open := dial(t, front)
	if _, err := io.WriteString(open, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(open, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Forward ends with %v", err)
	}
	if _, err := open.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives the forwarding")
	}
	if conn, err := net.Dial("tcp", front.Addr().String()); err == nil {
		conn.Close()
		t.Error("the port outlives the forwarding")
	}
}

func TestForwardToADeadPort(t *testing.T) {
	dead := listen(t)
	dead.Close()
	ctx, cancel := context.WithCancel(t.Context())
	front, ended := listen(t), make(chan error, 1)
	go func() { ended <- Forward(ctx, front, dead.Addr().String()) }()
	conn := dial(t, front)
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes from nobody", n)
	}
	cancel()
	<-ended
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l.(*net.TCPListener)
}

func dial(t *testing.T, l net.Listener) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", l.Addr().String(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}
