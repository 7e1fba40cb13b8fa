package netns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loadline/loadline/hack/tempdir"
)

// control hands out listeners of the network outside. The protocol: the client
// sends an address and a newline; the answer is one line, "ok" with the
// listener's descriptor beside it, or the reason why there is none.
type control struct {
	dir      *tempdir.Dir
	path     string
	listener *net.UnixListener
	done     sync.WaitGroup
}

const controlTimeout = 5 * time.Second

func newControl() (*control, error) {
	// For this user only: nobody else gets listeners.
	dir, err := tempdir.New(socketParent(os.TempDir()), "loadline-ns-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir.Path, "control.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control socket: %w", err), dir.Remove())
	}
	c := &control{dir: dir, path: path, listener: l}
	c.done.Go(c.serve)
	return c, nil
}

// socketParent is the directory for temporary files, unless a socket's path in
// it could be longer than the 107 bytes that the kernel takes.
func socketParent(tmp string) string {
	if len(tmp)+len("/loadline-ns-4294967295/control.sock") > 107 {
		return "/tmp"
	}
	return tmp
}

func (c *control) close() {
	c.listener.Close()
	c.done.Wait()
	_ = c.dir.Remove() // what is left, the next Run removes
}

func (c *control) serve() {
	for {
		conn, err := c.listener.AcceptUnix()
		if err != nil {
			return
		}
		c.done.Go(func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(controlTimeout))
			if err := answer(conn); err != nil {
				_, _ = io.WriteString(conn, strings.ReplaceAll(err.Error(), "\n", " ")+"\n")
			}
		})
	}
}

// answer serves one request. Only loopback is on offer: nothing inside becomes
// reachable from another machine.
func answer(conn *net.UnixConn) error {
	addr, err := bufio.NewReader(io.LimitReader(conn, 256)).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	tcp, err := net.ResolveTCPAddr("tcp", strings.TrimSpace(addr))
	if err != nil {
		return err
	}
	if !tcp.IP.IsLoopback() {
		return fmt.Errorf("%s is not a loopback address", tcp)
	}
	l, err := net.ListenTCP("tcp", tcp)
	if err != nil {
		return err
	}
	defer l.Close() // the descriptor that is sent is a duplicate
	f, err := l.File()
	if err != nil {
		return err
	}
	defer f.Close()
	_, _, err = conn.WriteMsgUnix([]byte("ok\n"), unix.UnixRights(int(f.Fd())), nil)
	return err
}

// Listen opens a listener on a loopback address ("127.0.0.1:0") of the network
// outside the namespace. It fails if this process is not in one made by [Run].
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	path := os.Getenv(envControl)
	if path == "" {
		return nil, errors.New("not in a namespace with a control socket")
	}
	var d net.Dialer
	dialed, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	conn := dialed.(*net.UnixConn)
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(controlTimeout)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, addr+"\n"); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := receive(conn)
	if err != nil {
		return nil, fmt.Errorf("listen on %s outside the namespace: %w", addr, err)
	}
	return l, nil
}

func receive(conn *net.UnixConn) (net.Listener, error) {
	text, oob := make([]byte, 1024), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := conn.ReadMsgUnix(text, oob)
	if err != nil {
		return nil, err
	}
	if answer := strings.TrimSpace(string(text[:n])); answer != "ok" {
		return nil, errors.New(answer)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return nil, err
	}
	if len(messages) != 1 {
		return nil, errors.New("no descriptor came with the answer")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fds[0]), "outside")
	defer f.Close()
	return net.FileListener(f)
}
