package away_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/agent-secret-store/assd/vault/away"
	"github.com/agent-secret-store/assd/vault/webhook"
)

// receiver checks each message by the standard's own library.
type receiver struct {
	t      *testing.T
	secret string

	mu     sync.Mutex
	ids    []string
	bodies [][]byte
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	wh, err := standard.NewWebhook(r.secret)
	if err == nil {
		err = wh.Verify(body, req.Header)
	}
	if err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids, r.bodies = append(r.ids, req.Header.Get("webhook-id")), append(r.bodies, body)
}

func newHook(t *testing.T, url, secret string) *away.Hook {
	t.Helper()
	u, err := webhook.ParseURL(url)
	must(t, err)
	keys, err := webhook.ParseSecrets([]byte(secret))
	must(t, err)
	h := away.NewHook(webhook.Config{URL: u, Secrets: keys}, time.Now)
	t.Cleanup(h.Close)
	return h
}

// TestHook: what arrives is signed, says what it is, and has one id however often this
// head is sent there.
func TestHook(t *testing.T) {
	r := &receiver{t: t, secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))}
	srv := httptest.NewServer(r)
	defer srv.Close()
	h := newHook(t, srv.URL+"/T0KEN", r.secret)
	other := point(7)
	other.Hash = strings.Repeat("cd", 32)
	must(t, send(t, h, 7), send(t, h, 7), h.Send(t.Context(), other))
	if len(r.ids) != 3 || r.ids[0] != r.ids[1] || r.ids[1] == r.ids[2] || strings.Contains(r.ids[0], ".") {
		t.Errorf("ids %v", r.ids)
	}
	var got struct {
		Type, Tenant string
		Timestamp    time.Time
		Data         map[string]any
	}
	must(t, json.Unmarshal(r.bodies[0], &got))
	want := map[string]any{"tenant": point(7).Tenant, "size": 7.0, "hash": point(7).Hash, "epoch": 1.0, "checkpoint": note(7)}
	for k, v := range want {
		if got.Data[k] != v {
			t.Errorf("%s is %v, want %v", k, got.Data[k], v)
		}
	}
	if got.Type != "audit.checkpoint" || got.Tenant != point(7).Tenant || time.Since(got.Timestamp) > time.Minute || len(got.Data) != len(want) {
		t.Errorf("%s", r.bodies[0])
	}
	if h.String() != srv.URL || !h.Same(newHook(t, srv.URL+"/T0KEN", r.secret)) || h.Same(newHook(t, srv.URL+"/other", r.secret)) {
		t.Error(h)
	}
	srv.Close()
	if err := send(t, h, 8); err == nil || err.Error() != "it refuses connections" {
		t.Error(err)
	}
}

var syslogLine = regexp.MustCompile(`^<37>.* assd\[\d+\]: checkpoint tenant=ten_a{26} size=7 hash=(ab){32} epoch=1 signature=AQID\n$`)

// TestSyslog: a line of facility auth arrives by each of the ways, and a log that is not
// there is an error, but for UDP.
func TestSyslog(t *testing.T) {
	dir := t.TempDir()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	gram, err := net.ListenPacket("unixgram", filepath.Join(dir, "gram"))
	must(t, err)
	stream, err := net.Listen("unix", filepath.Join(dir, "stream"))
	must(t, err)
	packet := func(c net.PacketConn) func() (string, error) {
		return func() (string, error) {
			b := make([]byte, 2048)
			c.SetReadDeadline(time.Now().Add(30 * time.Second)) //nolint:errcheck // the read says so
			n, _, err := c.ReadFrom(b)
			return string(b[:n]), err
		}
	}
	accept := func(l net.Listener) func() (string, error) {
		return func() (string, error) {
			c, err := l.Accept()
			if err != nil {
				return "", err
			}
			defer c.Close()
			b, err := io.ReadAll(io.LimitReader(c, 2048))
			return string(b), err
		}
	}
	for text, tc := range map[string]struct {
		read  func() (string, error)
		close io.Closer
	}{
		"udp://" + udp.LocalAddr().String():      {packet(udp), udp},
		"tcp://" + tcp.Addr().String():           {accept(tcp), tcp},
		"unix://" + filepath.Join(dir, "gram"):   {packet(gram), gram},
		"unix://" + filepath.Join(dir, "stream"): {accept(stream), stream},
	} {
		s, err := away.ParseSyslog(text)
		must(t, err)
		must(t, send(t, s, 7))
		if got, err := tc.read(); err != nil || !syslogLine.MatchString(got) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
		must(t, tc.close.Close())
		err = send(t, s, 8)
		if udp := strings.HasPrefix(text, "udp"); !udp && (err == nil || !strings.HasPrefix(err.Error(), "the log takes nothing: ") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s is gone: %v", text, err)
		}
		if s.String() != "syslog "+text || !s.Same(s) || s.Same(away.NewFile("/x")) {
			t.Error(s)
		}
	}
}

// TestRudeSyslog: one that closes at once, and one that never reads nor accepts, hold
// nobody up, however often they are sent to.
func TestRudeSyslog(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){"closes": func(c net.Conn) { c.Close() }, "never reads": func(net.Conn) {}, "never accepts": nil} {
		for _, network := range []string{"tcp", "unix"} {
			addr := "127.0.0.1:0"
			if network == "unix" {
				addr = filepath.Join(t.TempDir(), "log")
			}
			l, err := net.Listen(network, addr)
			must(t, err)
			text := network + "://" + l.Addr().String()
			go func() {
				for serve != nil {
					c, err := l.Accept()
					if err != nil {
						return
					}
					serve(c)
				}
			}()
			s, err := away.ParseSyslog(text)
			must(t, err)
			began := time.Now()
			for range 20 {
				if err := send(t, s, 7); err != nil && (!strings.HasPrefix(err.Error(), "the log takes nothing: ") || strings.Contains(err.Error(), "\n")) {
					t.Errorf("%s, %s: %v", name, network, err)
				}
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("%s, %s: it took %v", name, network, took)
			}
			must(t, l.Close())
		}
	}
}

func TestParseSyslog(t *testing.T) {
	for _, text := range []string{"local", "udp://log.example.com:514", "tcp://[::1]:601", "unix:///dev/log"} {
		if _, err := away.ParseSyslog(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"", "Local", "log.example.com", "udp://", "udp://h", "udp://h:0", "udp://h:99999", "udp://h:514/x", "udp://u@h:514", "udp://h:514?x", "udp://h:514#", "udp:h",
		"http://h:514", "unix://", "unix://h/dev/log", "unix:dev/log", "unix:///dev/log?", "tcp://:601", "tcp://h h:601", "udp://h:514/" + strings.Repeat("x", 600),
	} {
		if s, err := away.ParseSyslog(text); err == nil || !strings.Contains(err.Error(), "udp://HOST:514") {
			t.Errorf("%q is %v, %v", text, s, err)
		}
	}
}

func FuzzParseSyslog(f *testing.F) {
	for _, s := range []string{"local", "udp://h:514", "unix:///dev/log", "tcp://[::1]:601"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := away.ParseSyslog(text)
		if err != nil {
			return
		}
		again, err := away.ParseSyslog(strings.TrimPrefix(s.String(), "syslog "))
		if err != nil || !again.Same(s) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
