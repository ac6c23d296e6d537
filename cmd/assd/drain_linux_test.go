package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// underWay begins a write over c, of whose body some has been sent when the daemon reads it.
func underWay(t *testing.T, c net.Conn, key, body string) {
	t.Helper()
	fmt.Fprintf(c, "PUT /v1/secrets/a/LATE HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", key, len(body))
	said := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(c, said); err != nil || !strings.HasPrefix(string(said), "HTTP/1.1 100 ") {
		t.Fatalf("a body is not asked for: %q, %v", said, err)
	}
	fmt.Fprint(c, body[:5])
}

// TestTermDrains: a request under way when SIGTERM comes is answered, a new one
// is not taken, and the daemon ends with 0.
func TestTermDrains(t *testing.T) {
	v := startFull(t, filepath.Join(t.TempDir(), "data"))
	const body = `{"value":"drained"}`
	c, err := net.Dial("unix", v.process.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	underWay(t, c, v.owner, body)
	if err := v.process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := v.process.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		late, err := net.Dial("unix", v.process.socket)
		if err != nil {
			break
		}
		late.Close()
		if time.Since(began) > 30*time.Second {
			t.Fatal("new connections are taken while draining")
		}
	}
	fmt.Fprint(c, body[5:])
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the request under way got %v, %v", res, err)
	}
	v.end()
	if !strings.Contains(v.err.String(), "stopping") {
		t.Errorf("the log does not say why it ended: %s", v.err.String())
	}
}
