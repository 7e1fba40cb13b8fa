package adapter

import (
	"bufio"
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"testing"
)

// What a pod sends after its answer is in no log, and what else is logged stays.
func TestWhatPodsSendUnaskedIsNotLogged(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		// Before it is asked, its answer would be unasked, too, and the request fail.
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\nwhatever the pod likes\n")
		_, _ = io.Copy(io.Discard, conn) // until it is closed, which is after it is logged
	}()
	var logged bytes.Buffer
	before := log.Writer()
	defer log.SetOutput(before)
	log.SetOutput(withoutUnsolicited{&logged})
	client := http.Client{Transport: &http.Transport{}}
	answer, err := client.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	<-closed
	log.SetOutput(before) // nothing is written from here on
	if logged.Len() != 0 {
		t.Errorf("it is logged: %s", &logged)
	}
	_, _ = withoutUnsolicited{&logged}.Write([]byte("another line\n"))
	if logged.String() != "another line\n" {
		t.Errorf("%q is left of another line", &logged)
	}
}
