package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server"
	"github.com/agent-secret-store/assd/vault/server/certs"
)

// remote is a daemon that serves TLS as well: a second server for its vault.
type remote struct {
	*daemon
	listener net.Listener
	keeper   *certs.Keeper
	tls      *server.Server
	addr     string
	done     chan error
}

// startTLS serves a claimed vault on a loopback address; change, if any, has the
// last word on the certificate.
func startTLS(t *testing.T, change func(*certs.Config)) *remote {
	t.Helper()
	r := &remote{daemon: start(t), done: make(chan error, 2)}
	var err error
	if r.listener, err = server.ListenTCP("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	cfg := certs.Config{Dir: filepath.Join(r.cfg.Dir, "tls"), Host: "127.0.0.1", Bound: netip.MustParseAddr("127.0.0.1"), Log: r.logger()}
	if change != nil {
		change(&cfg)
	}
	if r.keeper, err = certs.Open(cfg); err != nil {
		t.Fatal(err)
	}
	r.tls = server.New(server.Config{
		Vault: r.vault, Log: r.logger(), Version: "9.9.9", Certificates: r.keeper,
		MayClaim: func(int) bool { return true },
	})
	r.addr = r.listener.Addr().String()
	go func() { r.done <- r.tls.ServeTLS(r.listener) }()
	t.Cleanup(r.stopTLS)
	return r
}

// stopTLS stops the server, once, and checks that all room is given back.
func (r *remote) stopTLS() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.tls.Shutdown(ctx); err != nil {
		r.t.Errorf("shutting down: %v", err)
	}
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Errorf("serving: %v", err)
		}
	case <-time.After(patience):
		r.t.Error("ServeTLS does not return")
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) { // the last one may still be closing
		_, sources := server.Room(r.listener)
		if sources == 0 {
			break
		}
		if time.Since(began) > patience {
			r.t.Fatalf("%d sources still count as connected", sources)
		}
	}
	r.done <- nil
}

// trusting is a client that takes the daemon's certificate as its anchor.
func (r *remote) trusting() *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(r.keeper.Certificate().Certificate))
	return &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

// client is an HTTP client, of HTTP/2 or 1.1.
func (r *remote) client(h2 bool) *http.Client {
	var p http.Protocols
	p.SetHTTP1(!h2)
	p.SetHTTP2(h2)
	tr := &http.Transport{TLSClientConfig: r.trusting(), Protocols: &p}
	r.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 90 * time.Second}
}

// ask is one request over TLS, and its checked answer.
func (r *remote) ask(c *http.Client, method, target, key, body string, header ...string) (reply, *http.Response) {
	r.t.Helper()
	req, err := http.NewRequest(method, "https://"+r.addr+target, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	rep := reply{res.StatusCode, res.Header, b}
	r.checkReply(method+" "+target, rep)
	return rep, res
}

// alive checks that the daemon still answers over TLS.
func (r *remote) alive() {
	r.t.Helper()
	rep, _ := r.ask(r.client(false), "GET", "/v1/health", "", "")
	r.want(rep, "")
}

// TestTLSVersions: 1.3 and nothing before it; HTTP/2 and HTTP/1.1.
func TestTLSVersions(t *testing.T) {
	r := startTLS(t, nil)
	for h2, proto := range map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"} {
		rep, res := r.ask(r.client(h2), "PUT", "/v1/secrets/a/K", r.owner, `{"value":"`+r.secret("over "+proto)+`"}`)
		r.want(rep, "")
		if res.Proto != proto || res.TLS.Version != tls.VersionTLS13 {
			t.Errorf("%s with TLS %x; want %s", res.Proto, res.TLS.Version, proto)
		}
		rep, _ = r.ask(r.client(h2), "GET", "/v1/secrets/a/K", r.owner, "")
		if got := into[api.Secret](r.daemon, rep).Value; got != "over "+proto {
			t.Errorf("read %q", got)
		}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS11, tls.VersionTLS10} {
		cfg := r.trusting()
		cfg.MinVersion, cfg.MaxVersion = version, version
		if c, err := tls.Dial("tcp", r.addr, cfg); err == nil {
			c.Close()
			t.Errorf("TLS %x was taken", version)
		}
	}
	// A client that speaks neither protocol is not served with the wrong one.
	cfg := r.trusting()
	cfg.NextProtos = []string{"spdy/3"}
	if c, err := tls.Dial("tcp", r.addr, cfg); err == nil {
		c.Close()
		t.Error("a client that speaks no HTTP got in")
	}
}

// TestRemoteIsNeverLocal: who comes over TLS is an address, from this machine
// too, whatever the headers say.
func TestRemoteIsNeverLocal(t *testing.T) {
	r := startTLS(t, nil)
	r.put("a/K", r.secret("for some addresses"))
	forged := []string{"X-Forwarded-For", "local", "X-Real-IP", "10.0.0.1", "Forwarded", "for=10.0.0.1"}
	for list, want := range map[string]struct{ socket, tls string }{
		`["local"]`:             {"", "UNAUTHORIZED"},
		`["127.0.0.1"]`:         {"UNAUTHORIZED", ""},
		`["::ffff:127.0.0.1"]`:  {"UNAUTHORIZED", ""},
		`["127.0.0.0/8"]`:       {"UNAUTHORIZED", ""},
		`["local","127.0.0.1"]`: {"", ""},
		`["10.0.0.1","::1"]`:    {"UNAUTHORIZED", "UNAUTHORIZED"},
	} {
		body := `{"scopes":["secrets:read:a/*"],"ip_allowlist":` + list + `}`
		tok := r.secret(into[api.TokenResponse](r.daemon, r.call("POST", "/v1/tokens", r.owner, body)).Token)
		r.want(r.call("GET", "/v1/secrets/a/K", tok, "", "X-Forwarded-For: 127.0.0.1"), want.socket)
		for _, h2 := range []bool{true, false} {
			rep, _ := r.ask(r.client(h2), "GET", "/v1/secrets/a/K", tok, "", forged...)
			r.want(rep, want.tls)
		}
	}
	seq := r.last()
	rep, _ := r.ask(r.client(true), "GET", "/v1/secrets/a/K", r.owner, "", forged...)
	r.want(rep, "")
	if e := r.since(seq); len(e) == 0 || e[len(e)-1].IPAddress == nil || *e[len(e)-1].IPAddress != "127.0.0.1" {
		t.Errorf("the trail has %+v", e)
	}
}

// TestMappedAddress: a listener for every address sees IPv4 peers as IPv4.
func TestMappedAddress(t *testing.T) {
	for addr, peers := range map[string][]string{":0": {"127.0.0.1", "::1"}, "[::]:0": {"127.0.0.1", "::1"}, "0.0.0.0:0": {"127.0.0.1"}, "[::1]:0": {"::1"}} {
		l, err := server.ListenTCP(addr)
		if err != nil {
			testenv.Skip(t, err.Error())
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		for _, peer := range []string{"127.0.0.1", "::1"} {
			c, err := net.Dial("tcp", net.JoinHostPort(peer, port))
			if reached := err == nil; reached != slices.Contains(peers, peer) {
				t.Errorf("%s: %s gets through: %v", addr, peer, reached)
			}
			if err == nil {
				in, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				if got := server.OriginOf(in); got.Local || got.Addr != netip.MustParseAddr(peer) || got.Source.IP != peer {
					t.Errorf("%s: %s is seen as %+v", addr, peer, got)
				}
				c.Close()
				in.Close()
			}
		}
		l.Close()
	}
}

// TestClaimOverTLS: a vault is claimed over its socket, never over the network.
func TestClaimOverTLS(t *testing.T) {
	d := unclaimed(t)
	l, err := server.ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k, err := certs.Open(certs.Config{Dir: filepath.Join(d.cfg.Dir, "tls"), Log: d.logger()})
	if err != nil {
		t.Fatal(err)
	}
	r := &remote{daemon: d, listener: l, keeper: k, addr: l.Addr().String(), done: make(chan error, 2)}
	r.tls = server.New(server.Config{Vault: d.vault, Log: d.logger(), Certificates: k, MayClaim: func(int) bool { return true }})
	go func() { r.done <- r.tls.ServeTLS(l) }()
	t.Cleanup(r.stopTLS)
	for _, h2 := range []bool{true, false} {
		rep, _ := r.ask(r.client(h2), "POST", "/v1/vault/claim", "", "{}", "X-Forwarded-For", "local")
		r.want(rep, "SCOPE_DENIED")
	}
	r.want(r.call("POST", "/v1/vault/claim", "", "{}"), "") // over the socket it was still to be had
}

// TestNoTLSThere: what does not speak TLS gets an error or nothing, and keeps
// nobody else from being served.
func TestNoTLSThere(t *testing.T) {
	r := startTLS(t, nil)
	noise := make([]byte, 4096)
	rand.Read(noise)
	for name, tc := range map[string]struct{ send, want string }{
		"HTTP":           {"GET /v1/health HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.0 400"},
		"HTTP/2":         {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""},
		"noise":          {string(noise), ""},
		"a long record":  {"\x16\x03\x01\xff\xff" + strings.Repeat("x", 1<<16), ""},
		"an empty hello": {"\x16\x03\x01\x00\x04\x01\x00\x00\x00", ""},
		"SSL 2":          {"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", ""},
		"nothing":        {"", ""},
	} {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(8 * time.Second)) // a handshake may take ten
		go func() {
			io.WriteString(c, tc.send)
			c.(*net.TCPConn).CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if isTimeout(err) || !strings.HasPrefix(string(got), tc.want) || strings.Contains(string(got), "request_id") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		c.Close()
	}
	r.alive()
	if strings.Contains(r.log.String(), "panic") {
		t.Error("something panicked")
	}
}

// TestHalfClosed: who has sent all and closes that half still gets its answer, or
// an end; one that vanishes within a record is forgotten.
func TestHalfClosed(t *testing.T) {
	r := startTLS(t, nil)
	c, err := tls.Dial("tcp", r.addr, r.trusting())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(8 * time.Second))
	io.WriteString(c, "GET /v1/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || len(got) > 0 && !bytes.HasPrefix(got, []byte("HTTP/1.1 200")) {
		t.Errorf("%q, %v", got, err)
	}
	raw, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	secure := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	io.WriteString(secure, "PUT /v1/secrets/a/K HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer "+r.owner+"\r\nContent-Length: 100\r\n\r\nhalf")
	raw.Write([]byte{23, 3, 3, 0, 50, 1, 2})
	raw.(*net.TCPConn).SetLinger(0)
	raw.Close()
	r.alive()
}

// TestSlowHandshake: a handshake has 10 seconds, also one that goes on and on; an
// idle connection two minutes, with either protocol.
func TestSlowHandshake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		v, err := vault.Create(vault.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		k, err := certs.Open(certs.Config{Dir: filepath.Join(dir, "tls"), Log: hclog.NewNullLogger()})
		if err != nil {
			t.Fatal(err)
		}
		srv := server.New(server.Config{Vault: v, Log: hclog.NewNullLogger(), MayClaim: func(int) bool { return false }, Certificates: k})
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- srv.ServeTLS(p) }()

		silent := p.dial()
		began := time.Now()
		io.Copy(io.Discard, silent)
		if took := time.Since(began); took < 9*time.Second || took > 12*time.Second {
			t.Errorf("a silent connection was kept for %v", took)
		}
		slow := p.dial()
		go io.Copy(io.Discard, slow)
		if took := drip(slow, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc"+strings.Repeat("x", 500), 100*time.Millisecond); took < 9*time.Second || took > 12*time.Second {
			t.Errorf("a slow handshake was taken for %v", took)
		}
		for _, proto := range []string{"h2", "http/1.1"} {
			idle := tls.Client(p.dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{proto}})
			if err := idle.Handshake(); err != nil || idle.ConnectionState().NegotiatedProtocol != proto {
				t.Fatalf("%s: %v", proto, err)
			}
			if proto == "h2" {
				go io.WriteString(idle, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
			} else {
				go io.WriteString(idle, "GET /v1/health HTTP/1.1\r\nHost: h\r\n\r\n")
			}
			began := time.Now()
			io.Copy(io.Discard, idle)
			if took := time.Since(began); took < 110*time.Second || took > 130*time.Second {
				t.Errorf("%s: an idle connection was kept for %v", proto, took)
			}
		}
		if err := errors.Join(srv.Shutdown(context.Background()), <-served, v.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestPerSource: one source has its share of the connections, which nobody else
// has to give; what it keeps idle makes room for what it begins, and nothing else.
func TestPerSource(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || int(limit.Cur) < 2*server.MaxPerSource+200 {
		testenv.Skip(t, fmt.Sprintf("only %d open files are allowed here: %v", limit.Cur, err))
	}
	r := startTLS(t, nil)
	all, _ := server.Room(r.listener)
	idle := make([]net.Conn, server.MaxPerSource)
	for i := range idle {
		idle[i] = r.from("127.0.0.1")
	}
	time.Sleep(2 * server.MinIdle)
	for range 3 {
		r.served("127.0.0.1")
		r.served("127.0.0.2")
	}
	if !refused(idle[0]) || refused(idle[server.MaxPerSource-1]) {
		t.Error("another than the one idle for longest was closed")
	}
	for range 2 * server.MaxPerSource { // faster than any is idle
		r.from("127.0.0.1")
	}
	if left, _ := server.Room(r.listener); all-left > server.MaxPerSource+2 {
		t.Errorf("%d connections of one source are kept", all-left)
	}
}

// served makes one request from an address.
func (r *remote) served(addr string) {
	r.t.Helper()
	c := tls.Client(r.from(addr), r.trusting())
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "GET /v1/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusOK {
		r.t.Errorf("from %s: %v, %v", addr, res, err)
	}
}

// from is a connection from one of the loopback addresses.
func (r *remote) from(addr string) net.Conn {
	r.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	c, err := d.Dial("tcp", r.addr)
	if err != nil {
		testenv.Skip(r.t, "no such source here: "+err.Error())
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// refused reports whether c is closed by the other side without a word.
func refused(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return !isTimeout(err)
}

// TestClosedTwice: a connection that is closed again gives nothing more back.
func TestClosedTwice(t *testing.T) {
	l, err := server.ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	all, _ := server.Room(l)
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	a, errA := l.Accept()
	b, errB := l.Accept()
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if free, sources := server.Room(l); free != all-2 || sources != 1 {
		t.Errorf("with two: room for %d of %d, %d sources", free, all, sources)
	}
	a.Close()
	a.Close()
	if free, sources := server.Room(l); free != all-1 || sources != 1 {
		t.Errorf("with one: room for %d of %d, %d sources", free, all, sources)
	}
	b.Close()
	if free, sources := server.Room(l); free != all || sources != 0 {
		t.Errorf("with none: room for %d of %d, %d sources", free, all, sources)
	}
}

// TestFullListener: beyond the bound connections wait until there is room.
func TestFullListener(t *testing.T) {
	r := startTLS(t, nil)
	free, finish, waiting := r.fill()
	free()
	select {
	case err := <-waiting:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("with room again nobody is let in")
	}
	finish()
}

// TestFullListenerShutsDown: who waits for room does not hold up the end, for which
// a request under way is answered.
func TestFullListenerShutsDown(t *testing.T) {
	r := startTLS(t, nil)
	_, finish, waiting := r.fill()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.stopTLS()
	}()
	if err := <-waiting; err == nil {
		t.Error("a connection was taken by a listener that was closed")
	}
	finish()
	<-stopped
}

// TestFullListenerIsCut: what does not end in time is cut off, and no more than that
// holds up the end.
func TestFullListenerIsCut(t *testing.T) {
	r := startTLS(t, nil)
	_, _, waiting := r.fill()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := r.tls.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 4*time.Second { // saying goodbye may take five
		t.Errorf("it ended with %v after %v", err, time.Since(began))
	}
	if err := <-waiting; err == nil {
		t.Error("a connection was taken by a listener that was closed")
	}
}

// fill takes all room, the last place by a request that finish ends. It returns what
// gives one of the others back, and the end of a handshake that waits for it.
func (r *remote) fill() (free, finish func(), waiting <-chan error) {
	r.t.Helper()
	free = server.Fill(r.listener)
	finish = r.begin(r.guest("127.0.0.1", false), "a/LAST") // the place that Accept had kept
	done := make(chan error, 1)
	go func() {
		c, err := tls.DialWithDialer(&net.Dialer{Timeout: 20 * time.Second}, "tcp", r.addr, r.trusting())
		if err == nil {
			err = c.Close()
		}
		done <- err
	}()
	select {
	case <-done:
		r.t.Fatal("a full listener took another connection")
	case <-time.After(300 * time.Millisecond):
	}
	return free, finish, done
}

// TestListenRefused: an address that cannot be is told in one line.
func TestListenRefused(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for addr, want := range map[string]string{
		"":                    "HOST:PORT",
		"8443":                "HOST:PORT",
		"127.0.0.1":           "HOST:PORT",
		"127.0.0.1:":          "HOST:PORT",
		"::1:8443":            "HOST:PORT",
		"127.0.0.1:99999":     "invalid port",
		"127.0.0.1:no-such":   "unknown port",
		"192.0.2.200:8443":    "cannot assign requested address",
		busy.Addr().String():  "address already in use",
		"no such.example:443": "no such",
	} {
		l, err := server.ListenTCP(addr)
		if err == nil {
			l.Close()
			t.Errorf("%q was taken", addr)
			continue
		}
		if got := err.Error(); !strings.Contains(got, want) || !strings.Contains(got, "--listen") || strings.Contains(got, "\n") {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

// TestLowPort: who may not have it is told that it is the port.
func TestLowPort(t *testing.T) {
	err := server.CannotListen(":443", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)})
	if want := `listening on ":443": bind: permission denied; ports below 1024 need a right`; !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "--listen") {
		t.Error(err)
	}
}

// authority makes certificates for clients.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, file: filepath.Join(t.TempDir(), "ca.pem")}
	a.cert = a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "a CA"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, key)
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	if err := os.WriteFile(a.file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) sign(t *testing.T, tmpl *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	tmpl.BasicConstraintsValid = true
	if tmpl.NotAfter.IsZero() {
		tmpl.NotAfter = time.Now().Add(time.Hour)
	}
	tmpl.NotBefore = tmpl.NotAfter.Add(-48 * time.Hour)
	parent := a.cert
	if parent == nil {
		parent = tmpl
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// client is a certificate for that use, with its key.
func (a *authority) client(t *testing.T, usage x509.ExtKeyUsage, until time.Time) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "a client"}, NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{usage}}, key)
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}
}

// TestMutualTLS: without a certificate from the CA no request is read; with one,
// it is no key.
func TestMutualTLS(t *testing.T) {
	mine, foreign := newAuthority(t), newAuthority(t)
	r := startTLS(t, func(c *certs.Config) { c.ClientCAFile = mine.file })
	later := time.Now().Add(time.Hour)
	for name, tc := range map[string]struct {
		cert *tls.Certificate
		ok   bool
	}{
		"mine":          {new(mine.client(t, x509.ExtKeyUsageClientAuth, later)), true},
		"none":          {nil, false},
		"foreign":       {new(foreign.client(t, x509.ExtKeyUsageClientAuth, later)), false},
		"expired":       {new(mine.client(t, x509.ExtKeyUsageClientAuth, time.Now().Add(-time.Hour))), false},
		"for a server":  {new(mine.client(t, x509.ExtKeyUsageServerAuth, later)), false},
		"another's key": {&tls.Certificate{Certificate: mine.client(t, x509.ExtKeyUsageClientAuth, later).Certificate, PrivateKey: foreign.key}, false},
	} {
		for _, h2 := range []bool{true, false} {
			c := r.client(h2)
			if tc.cert != nil {
				c.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return tc.cert, nil }
			}
			res, err := c.Get("https://" + r.addr + "/v1/health")
			if (err == nil) != tc.ok {
				t.Errorf("%s, HTTP/2 %v: %v", name, h2, err)
			}
			if err == nil {
				res.Body.Close()
				rep, _ := r.ask(c, "GET", "/v1/me", "", "")
				r.want(rep, "UNAUTHORIZED")
			}
		}
	}
	r.want(r.call("GET", "/v1/health", "", ""), "") // the socket asks for none
}

// TestOpenConnectionsLiveOn: a new pair is for new connections.
func TestOpenConnectionsLiveOn(t *testing.T) {
	var dir string
	r := startTLS(t, func(c *certs.Config) { dir = c.Dir })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.keeper.Watch(ctx, nil)
	}()
	defer func() { cancel(); <-done }()
	old := map[bool]*http.Client{true: r.client(true), false: r.client(false)}
	var was [2]string
	for i, h2 := range []bool{true, false} {
		rep, res := r.ask(old[h2], "GET", "/v1/health", "", "")
		r.want(rep, "")
		was[i] = api.Fingerprint(res.TLS.PeerCertificates[0])
	}
	// Another daemon's pair takes the place of this one's.
	from := filepath.Join(filepath.Dir(dir), "next")
	other, err := certs.Open(certs.Config{Dir: from, Log: hclog.NewNullLogger(), Bound: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	next := other.Certificate().Fingerprint
	for _, name := range []string{"key.pem", "cert.pem"} {
		if err := os.Rename(filepath.Join(from, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for began := time.Now(); r.keeper.Certificate().Fingerprint != next; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("the new pair is not taken")
		}
	}
	for i, h2 := range []bool{true, false} {
		rep, res := r.ask(old[h2], "GET", "/v1/health", "", "")
		r.want(rep, "")
		if got := api.Fingerprint(res.TLS.PeerCertificates[0]); got != was[i] {
			t.Errorf("HTTP/2 %v: the open connection was dropped", h2)
		}
		rep, res = r.ask(r.client(h2), "GET", "/v1/health", "", "")
		r.want(rep, "")
		if got := api.Fingerprint(res.TLS.PeerCertificates[0]); got != next {
			t.Errorf("HTTP/2 %v: a new connection is shown %s", h2, got)
		}
	}
}

// conn is a connection from an address.
type conn struct {
	net.Conn
	from string
}

func (c conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from)) }

// TestSource: connections are counted by what one host cannot choose.
func TestSource(t *testing.T) {
	for from, want := range map[string]string{
		"192.0.2.7:1":               "192.0.2.7/32",
		"[::ffff:192.0.2.7]:1":      "192.0.2.7/32",
		"[2001:db8:1:2:3:4:5:6]:1":  "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:99": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":          "fe80::/64",
		"[::1]:1":                   "::/64",
	} {
		if got := server.SourceOf(conn{from: from}); got != want {
			t.Errorf("%s is counted as %s; want %s", from, got, want)
		}
	}
}
