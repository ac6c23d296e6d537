package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Config is one receiver. URL and Secrets are required.
type Config struct {
	URL     URL
	Secrets []Secret       // one, or two while the receiver changes over
	Roots   *x509.CertPool // who may vouch for it; nil: this system's issuers
	// Dial makes connections; nil: those of the system.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Same reports whether what is sent by both goes the same way, with the same secrets.
func (c Config) Same(other Config) bool {
	roots := c.Roots == other.Roots || c.Roots != nil && other.Roots != nil && c.Roots.Equal(other.Roots)
	return roots && c.URL.Equal(other.URL) && Equal(c.Secrets, other.Secrets)
}

// Sender sends to one receiver. It is safe for concurrent use.
type Sender struct {
	cfg  Config
	http *http.Client
}

// New makes a Sender; it does not connect.
func New(cfg Config) *Sender {
	dial := cfg.Dial
	if dial == nil {
		dial = dialer(cfg.URL.plain).DialContext
	}
	return &Sender{cfg, &http.Client{
		Timeout:       Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // one from the environment would see every message
			DialContext:            dial,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.Roots},
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           1,
			MaxConnsPerHost:        2, // messages go one by one; a test of the receiver beside them
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true,
		},
	}}
}

// dialer refuses to go elsewhere than to this machine with plain HTTP, whatever the
// system makes of "localhost".
func dialer(plain bool) *net.Dialer {
	d := &net.Dialer{}
	if plain {
		d.Control = func(_, addr string, _ syscall.RawConn) error {
			a, err := netip.ParseAddrPort(addr)
			if err != nil || !a.Addr().Unmap().IsLoopback() {
				return errNotLocal
			}
			return nil
		}
	}
	return d
}

var errNotLocal = errors.New("its name leads to another machine, where plain http does not go: use https")

// Close drops the idle connection.
func (s *Sender) Close() { s.http.CloseIdleConnections() }

// Message is what is sent. ID is the same for each attempt, and has no dot in it.
type Message struct {
	ID   string
	At   time.Time // of the attempt
	Body []byte    // JSON
}

// Send sends m once. The error is nil when the receiver has answered 2xx; else it says
// in words of ours why not, in one line and without the URL, unless ctx has ended:
// then it is that of ctx.
func (s *Sender) Send(ctx context.Context, m Message) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.URL.full(), bytes.NewReader(m.Body))
	if err != nil {
		return errors.New("no request could be made for its URL")
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "assd",
		headerID: m.ID, headerTimestamp: timestamp(m.At), headerSignature: sign(s.cfg.Secrets, m.ID, m.At, m.Body),
	} {
		req.Header.Set(name, value)
	}
	req.Header["Idempotency-Key"] = []string{} // not sent: it lets a connection that had just been closed be made anew
	res, err := s.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault(err)
	}
	defer res.Body.Close()
	if _, err := io.CopyN(io.Discard, res.Body, maxAnswer); err != nil && !errors.Is(err, io.EOF) && ctx.Err() != nil {
		return ctx.Err()
	}
	return judge(res.StatusCode)
}

// judge is what an answer means. What it says beside its status does not count.
func judge(status int) error {
	if status >= 200 && status <= 299 {
		return nil
	}
	return Refusal(status)
}

// Refusal is an answer that is not 2xx, by its status: the receiver is there, and did
// not take this message.
type Refusal int

func (r Refusal) Error() string {
	text := fmt.Sprintf("it answered %d", int(r))
	if name := http.StatusText(int(r)); name != "" {
		text += " " + name
	}
	if r >= 300 && r <= 399 {
		text += ", and redirects are not followed: put the URL that it leads to into assd.toml"
	}
	return text
}
