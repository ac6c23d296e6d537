package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault/server"
)

// guest is a client with one connection, from one of the loopback addresses.
type guest struct {
	*http.Client
	ended chan struct{} // closed when the connection is
}

// hung tells when its connection is closed by whoever has it.
type hung struct {
	net.Conn
	end func()
}

func (h hung) Close() error {
	h.end()
	return h.Conn.Close()
}

// orderly is how long a guest lets the daemon go on, so that connections are
// accepted and idle there in the order in which they are here.
const orderly = 80 * time.Millisecond

func (r *remote) guest(addr string, h2 bool) guest {
	r.t.Helper()
	g := guest{r.client(h2), make(chan struct{})}
	only := make(chan net.Conn, 1)
	only <- hung{r.from(addr), sync.OnceFunc(func() { close(g.ended) })}
	g.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
		select {
		case c := <-only:
			return c, nil
		default:
			return nil, errors.New("the guest's connection is gone")
		}
	}
	return g
}

// calls makes one request; the connection is idle then.
func (r *remote) calls(g guest) guest {
	r.t.Helper()
	rep, _ := r.ask(g.Client, "GET", "/v1/health", "", "")
	r.want(rep, "")
	time.Sleep(orderly)
	return g
}

// silent is a guest that says nothing, or, after its handshake, nothing more.
func (r *remote) silent(addr string, greeting string) guest {
	g := guest{ended: make(chan struct{})}
	c := r.from(addr)
	if _, err := io.WriteString(c, greeting); err != nil {
		r.t.Fatal(err)
	}
	go func() {
		defer close(g.ended)
		io.Copy(io.Discard, c)
	}()
	time.Sleep(orderly)
	return g
}

// begin makes a request and stops in the middle of its body, which finish sends; the
// answer must be the right one.
func (r *remote) begin(g guest, path string) (finish func()) {
	r.t.Helper()
	const body = `{"value":"under way"}`
	in, out := io.Pipe()
	reading := make(chan struct{})
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got100Continue: func() { close(reading) }})
	rq, err := http.NewRequestWithContext(ctx, "PUT", "https://"+r.addr+"/v1/secrets/"+path, in)
	if err != nil {
		r.t.Fatal(err)
	}
	rq.ContentLength = int64(len(body))
	rq.Header.Set("Authorization", "Bearer "+r.owner)
	rq.Header.Set("Expect", "100-continue") // so that it is known when the daemon reads
	answered := make(chan error, 1)
	status := 0
	go func() {
		res, err := g.Do(rq)
		if err == nil {
			status = res.StatusCode
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		answered <- err
	}()
	select {
	case <-reading:
	case err := <-answered:
		r.t.Fatalf("a request was not begun: %v", err)
	case <-time.After(patience):
		r.t.Fatal("a request is not begun")
	}
	return func() {
		r.t.Helper()
		if _, err := io.Copy(out, strings.NewReader(body)); err != nil {
			r.t.Error(err)
		}
		out.Close()
		if err := <-answered; err != nil || status != http.StatusOK {
			r.t.Errorf("the request under way got %d, %v", status, err)
		}
	}
}

// open reports whether the connection is kept.
func (g guest) open() bool {
	select {
	case <-g.ended:
		return false
	default:
		return true
	}
}

// TestFullOfIdle: when a listener is full of connections that nobody uses, a new
// client is served at once. The one idle for longest goes, of the source that has
// most; none goes that is in use.
func TestFullOfIdle(t *testing.T) {
	r := startTLS(t, nil)
	inUse := []func(){r.begin(r.guest("127.0.0.1", false), "a/H1"), r.begin(r.guest("127.0.0.1", true), "a/H2")}
	other := r.calls(r.guest("127.0.0.2", false))
	names := []string{"over HTTP/1.1", "over HTTP/2", "silent", "half a greeting"}
	idle := []guest{
		r.calls(r.guest("127.0.0.1", false)), r.calls(r.guest("127.0.0.1", true)),
		r.silent("127.0.0.1", ""), r.silent("127.0.0.1", "\x16\x03\x01\x02\x00\x01"),
	}
	// One of the source that has most is used again: it is not idle for longest.
	idle, names = append(idle[1:], r.calls(idle[0])), append(names[1:], names[0])
	// As many as one has less go first; then who came first.
	idle = []guest{idle[0], idle[1], idle[2], other, idle[3]}
	names = []string{names[0], names[1], names[2], "another source's", names[3]}
	time.Sleep(server.MinIdle + 100*time.Millisecond)
	server.Fill(r.listener)
	for i, from := range []string{"127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4", "127.0.1.5"} {
		began := time.Now()
		r.calls(r.guest(from, i%2 == 0))
		if took := time.Since(began); took > 5*time.Second { // the silent would go by themselves
			t.Errorf("a new client waited for %v", took)
		}
		select {
		case <-idle[i].ended:
		case <-time.After(patience):
			t.Errorf("%s: not closed", names[i])
		}
		for j := i + 1; j < len(idle); j++ {
			if !idle[j].open() {
				t.Errorf("%s: closed before its turn, %d", names[j], i)
			}
		}
	}
	for _, finish := range inUse {
		finish()
	}
}

// TestFullOfBusy: when all connections are in use a new client waits. The first that
// is idle makes room for it, once its answer has been read.
func TestFullOfBusy(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		r := startTLS(t, nil)
		finish := []func(){r.begin(r.guest("127.0.0.1", !h2), "a/A")}
		server.Fill(r.listener)
		finish = append(finish, r.begin(r.guest("127.0.0.1", h2), "a/B"))
		served := make(chan error, 1)
		next := r.guest("127.0.0.2", h2)
		go func() {
			res, err := next.Get("https://" + r.addr + "/v1/health")
			if err == nil {
				err = res.Body.Close()
			}
			served <- err
		}()
		select {
		case err := <-served:
			t.Fatalf("a new client was not kept waiting: %v", err)
		case <-time.After(server.MinIdle + time.Second):
		}
		finish[1]()
		select {
		case err := <-served:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Fatal("a new client is not served although a connection is idle")
		}
		finish[0]()
	}
}

// TestIdleAfterAnswer: a full listener leaves who has just been answered, and who has
// just come, the time to read it and to ask.
func TestIdleAfterAnswer(t *testing.T) {
	for range 10 {
		r := startTLS(t, nil)
		g := r.guest("127.0.0.1", true)
		began := time.Now()
		r.calls(g)
		server.Fill(r.listener)
		s := r.silent("127.0.0.1", "") // takes the last place
		time.Sleep(server.MinIdle / 2)
		res, err := g.Get("https://" + r.addr + "/v1/health")
		if err == nil {
			err = res.Body.Close()
		}
		open := err == nil && s.open()
		if time.Since(began) >= server.MinIdle {
			continue // so long that it may well be closed
		}
		if !open {
			t.Error("a connection was closed that had been used just now")
		}
		return
	}
	testenv.Skip(t, "this machine is too slow for it")
}
