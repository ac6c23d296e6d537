package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server"
)

// pipes is a listener in memory, so that time can be a bubble's.
type pipes struct {
	srv   *server.Server // that accepts them
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// dial is a connection that the server has accepted.
func (p *pipes) dial() net.Conn {
	client, srv := net.Pipe()
	p.conns <- srv
	return client
}

// bubble runs test in a bubble with a server on pipes; its time costs nothing.
func bubble(t *testing.T, test func(t *testing.T, p *pipes, v *vault.Vault)) {
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		v, err := vault.Create(vault.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		srv := server.New(server.Config{Vault: v, Log: hclog.NewNullLogger(), MayClaim: func(int) bool { return false }})
		p := &pipes{srv: srv, conns: make(chan net.Conn), done: make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(p) }()
		test(t, p, v)
		if err := errors.Join(srv.Shutdown(context.Background()), <-served, v.Close()); err != nil {
			t.Error(err)
		}
	})
}

// drip sends s a byte at a time and reports how long the other end took it.
func drip(c net.Conn, s string, every time.Duration) time.Duration {
	began := time.Now()
	for i := range len(s) {
		if _, err := c.Write([]byte{s[i]}); err != nil {
			break
		}
		time.Sleep(every)
	}
	return time.Since(began)
}

// TestSlowHeader: a head has 10 seconds, a connection that says nothing too.
func TestSlowHeader(t *testing.T) {
	bubble(t, func(t *testing.T, p *pipes, _ *vault.Vault) {
		for _, s := range []string{strings.Repeat("x", 1000), "GET /v1/health HTTP/1.1\r\nX: " + strings.Repeat("x", 1000)} {
			c := p.dial()
			go io.Copy(io.Discard, c)
			if took := drip(c, s, 100*time.Millisecond); took < 9*time.Second || took > 12*time.Second {
				t.Errorf("a slow head was taken for %v", took)
			}
		}
		c := p.dial()
		began := time.Now()
		if _, err := c.Read(make([]byte, 1)); err == nil || time.Since(began) > 12*time.Second {
			t.Errorf("a silent connection was kept for %v: %v", time.Since(began), err)
		}
	})
}

// TestSlowBody: a request has 60 seconds in all, and then an answer. Who is not
// known has five: a body is not read before its sender is known.
func TestSlowBody(t *testing.T) {
	bubble(t, func(t *testing.T, p *pipes, v *vault.Vault) {
		claim, err := v.Claim(context.Background(), "olga", vault.Origin{Local: true}, api.ClaimRequest{})
		if err != nil {
			t.Fatal(err)
		}
		const head = "PUT /v1/secrets/a/K HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n"
		stranger, began := p.dial(), time.Now()
		go io.WriteString(stranger, head+"\r\n")
		res, err := http.ReadResponse(bufio.NewReader(stranger), nil)
		if err != nil || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("a stranger got %v, %v", res, err)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("a stranger's body was waited for %v", took)
		}
		stranger.Close()

		c := p.dial()
		began = time.Now()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			io.WriteString(c, head+"Authorization: Bearer "+claim.OwnerKey+"\r\n\r\n")
			drip(c, strings.Repeat("x", 1000), time.Second)
		}()
		res, err = http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != http.StatusBadRequest {
			t.Errorf("got %v, %v", res, err)
		}
		if took := time.Since(began); took < 50*time.Second || took > 66*time.Second {
			t.Errorf("a slow body was taken for %v", took)
		}
		go io.Copy(io.Discard, c)
		<-sent
	})
}

// TestSlowBodySealed: who owes a body when the vault is sealed, or drips it, has a second,
// and then one more for the rest: until then nobody else is answered.
func TestSlowBodySealed(t *testing.T) {
	for name, send := range map[string]func(c net.Conn, head string){
		"silent": func(c net.Conn, head string) { io.WriteString(c, head) },
		"drips": func(c net.Conn, head string) {
			io.WriteString(c, head)
			drip(c, strings.Repeat(" ", 500), 100*time.Millisecond)
		},
	} {
		bubble(t, func(t *testing.T, p *pipes, v *vault.Vault) {
			claim, err := v.Claim(context.Background(), "olga", vault.Origin{Local: true}, api.ClaimRequest{})
			if err != nil {
				t.Fatal(err)
			}
			head := "Host: h\r\nAuthorization: Bearer " + claim.OwnerKey + "\r\nContent-Length: "
			slow, fast := p.dial(), p.dial()
			sent := make(chan struct{})
			go func() { defer close(sent); send(slow, "PUT /v1/secrets/a/K HTTP/1.1\r\n"+head+"1000\r\n\r\n") }()
			ended := make(chan time.Duration, 1)
			time.Sleep(time.Second)
			began := time.Now()
			go func() { io.Copy(io.Discard, slow); ended <- time.Since(began) }()
			go io.WriteString(fast, "POST /v1/vault/seal HTTP/1.1\r\n"+head+"2\r\n\r\n{}")
			if res, err := http.ReadResponse(bufio.NewReader(fast), nil); err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("sealing: %v, %v", res, err)
			}
			p.srv.Stop() // as who serves it does
			if took := <-ended; took > 4*time.Second {
				t.Errorf("%s: it was waited for %v", name, took)
			}
			fast.Close()
			<-sent
		})
	}
}

// TestRestOfABodySealed: who was answered before its body came, and owes the rest when the
// vault is sealed, has a second.
func TestRestOfABodySealed(t *testing.T) {
	bubble(t, func(t *testing.T, p *pipes, _ *vault.Vault) {
		c := p.dial()
		go io.WriteString(c, "PUT /v1/secrets/a/K HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer nobody\r\nContent-Length: 1000\r\n\r\n")
		answered := make(chan error, 1)
		go func() {
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err == nil && res.StatusCode != http.StatusUnauthorized {
				err = fmt.Errorf("status %d", res.StatusCode)
			}
			c.Close()
			answered <- err
		}()
		time.Sleep(time.Second)
		began := time.Now()
		p.srv.Stop() // as who seals it does
		if err := p.srv.Release(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it was waited for %v", took)
		}
		if err := <-answered; err != nil {
			t.Errorf("the answer: %v", err)
		}
	})
}

// TestIdleAndDeaf: a connection that asks nothing more is closed after two
// minutes, one that does not take its answer after 25 seconds.
func TestIdleAndDeaf(t *testing.T) {
	const request = "GET /v1/health HTTP/1.1\r\nHost: h\r\n\r\n"
	bubble(t, func(t *testing.T, p *pipes, _ *vault.Vault) {
		idle, deaf := p.dial(), p.dial()
		began := time.Now()
		go io.WriteString(idle, request)
		if _, err := http.ReadResponse(bufio.NewReader(idle), nil); err != nil {
			t.Fatal(err)
		}
		go io.WriteString(deaf, request)
		time.Sleep(26 * time.Second)
		if _, err := deaf.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("a client that did not read for 26 s: %v", err)
		}
		io.Copy(io.Discard, idle)
		if took := time.Since(began); took < 110*time.Second || took > 125*time.Second {
			t.Errorf("an idle connection was kept for %v", took)
		}
	})
}

// TestConnectionsAreBounded: beyond the bound connections wait; when one ends
// the next is served.
func TestConnectionsAreBounded(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || int(limit.Cur) < 2*server.MaxConns+200 {
		testenv.Skip(t, fmt.Sprintf("only %d open files are allowed here: %v", limit.Cur, err))
	}
	for range 4 {
		if boundedInTime(t) {
			return
		}
	}
	t.Error("with room again nobody is served before the silent are gone")
}

// boundedInTime checks what there is room for, and reports whether it could before any
// connection was closed for its silence.
func boundedInTime(t *testing.T) bool {
	d := start(t)
	idle := make([]net.Conn, server.MaxConns)
	for i := range idle {
		idle[i] = d.dial()
		defer idle[i].Close()
	}
	c := d.dial()
	defer c.Close()
	io.WriteString(c, "GET /v1/health HTTP/1.1\r\nHost: h\r\n\r\n")
	c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	n, err := c.Read(make([]byte, 1))
	if !silent(idle[0]) {
		return false
	}
	if n > 0 || !errors.Is(err, syscall.ETIMEDOUT) && !isTimeout(err) {
		t.Fatalf("connection %d was answered: %v", server.MaxConns+1, err)
	}
	idle[7].Close()
	c.SetReadDeadline(time.Now().Add(patience))
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("with room again: %v, %v", res, err)
	}
	return silent(idle[0])
}

// silent reports whether the other side has neither said anything nor closed c.
func silent(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return isTimeout(err)
}

// TestFullSocketCloses: a listener that waits for room stops when it is closed.
func TestFullSocketCloses(t *testing.T) {
	l, err := server.ListenUnix(server.SocketConfig{Path: filepath.Join(socketDir(t), "run", "s")})
	if err != nil {
		t.Fatal(err)
	}
	server.FillSocket(l)
	ended := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond) // so that it waits
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("it still waits")
	}
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func (d *daemon) dial() net.Conn {
	d.t.Helper()
	c, err := net.Dial("unix", d.socket)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// underWay is a write that owes so long a body, which the server has begun to read.
func (d *daemon) underWay(length int) net.Conn {
	d.t.Helper()
	c := d.dial()
	fmt.Fprintf(c, "PUT /v1/secrets/a/K HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", d.owner, length)
	said := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(c, said); err != nil || !strings.HasPrefix(string(said), "HTTP/1.1 100 ") {
		d.t.Fatalf("a body is not asked for: %q, %v", said, err)
	}
	return c
}

// TestShutdownDrains: a request under way is finished, a new one not begun.
func TestShutdownDrains(t *testing.T) {
	d := start(t)
	const body = `{"value":"drained"}`
	c := d.underWay(len(body))
	defer c.Close()
	io.WriteString(c, body[:5])
	done := make(chan error, 1)
	go func() { done <- d.srv.Shutdown(context.Background()) }()
	if err := <-d.served; err != nil {
		t.Error(err)
	}
	d.served <- nil // for the end of the test
	if late, err := net.Dial("unix", d.socket); err == nil {
		t.Error("a new connection is taken while draining")
		late.Close()
	}
	select {
	case err := <-done:
		t.Fatalf("shut down with a request under way: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	io.WriteString(c, body[5:])
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the request under way got %v, %v", res, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestShutdownCutsOff: what does not finish in time is cut off.
func TestShutdownCutsOff(t *testing.T) {
	d := start(t)
	c := d.underWay(19)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := d.srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v; want the deadline", err)
	}
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, c); isTimeout(err) {
		t.Error("the connection is still open")
	}
}
