package netns

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// Forward passes every connection of l on to the TCP address target, until ctx
// is done; then it closes l and all connections, and returns. Together with
// [Listen] it makes a port of the namespace reachable outside.
func Forward(ctx context.Context, l net.Listener, target string) error {
	ctx, cancel := context.WithCancel(ctx)
	var open sync.WaitGroup
	defer open.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		in, err := l.Accept()
		if err != nil {
			l.Close()
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		open.Go(func() { forwardOne(ctx, in, target) })
	}
}

func forwardOne(ctx context.Context, in net.Conn, target string) {
	defer in.Close()
	var d net.Dialer
	out, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		return // the caller sees its connection closed, as with any dead port
	}
	defer out.Close()
	defer context.AfterFunc(ctx, func() { in.Close(); out.Close() })()
	var both sync.WaitGroup
	both.Go(func() { pass(out, in) })
	both.Go(func() { pass(in, out) })
	both.Wait()
}

// pass copies until the end of src, and passes on that it ended. After an
// error in one direction the other has no use either.
func pass(dst, src net.Conn) {
	_, err := io.Copy(dst, src)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		dst.Close()
		src.Close()
		return
	}
	if half, ok := dst.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
