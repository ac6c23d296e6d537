// Package client talks to assd over its Unix socket or over TLS.
//
// Its promise is about where a key goes. A key leaves the process only after
// the far end is known to be the daemon that was meant: on a Unix socket every
// parent of the path belongs to root or to the daemon's user, and the process
// that answers runs as that user; over TLS its certificate has the key that was
// pinned, or is of an issuer that was named. All is checked before the first byte.
// Redirects are never followed, proxies never asked. A key is never sent to a
// secrets route: [Client.WithScope] exchanges it for a token of exactly the
// scope that is needed, and the token alone opens secrets.
//
// It does not read configuration of a person, keep anything on disk or cache a
// value.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/internal/wipe"
)

// Bounds of what is read from a daemon.
const (
	maxAnswer      = 10 << 20  // one secret of 1 MiB, escaped at worst, and its metadata
	maxListing     = 256 << 20 // about half a million secrets
	maxErrorBody   = 1 << 20
	maxHeaders     = 64 << 10
	defaultTimeout = 60 * time.Second
)

// Config says which daemon to talk to and as whom.
type Config struct {
	// URL of the daemon: unix:///path/to.sock, https://host:port, or
	// http://host:port for a loopback host.
	URL string
	// Key of an owner or an agent; may be empty for Health and Claim.
	Key string
	// DaemonUID is the user id that the process behind a Unix socket must
	// have; nil means our own effective user id.
	DaemonUID *int
	// CACert is the path of a PEM file whose certificates replace the system's
	// roots. This and the next three are for https URLs alone; "" is none. Files
	// must be root's or ours, and out of others' reach on the way to them; on
	// Windows that is left to access lists.
	CACert string
	// Fingerprint pins the daemon's public key, as [api.Fingerprint] prints it.
	// Without CACert the key is the identity, and neither name nor issuer of
	// the certificate are asked for; with it, both have to hold.
	Fingerprint string
	// ClientCert and ClientKey are the paths of our own certificate and its
	// key in PEM, for daemons that ask for one. Nobody else may read the key.
	ClientCert, ClientKey string
	// Timeout bounds one request with its answer; 0 means a minute.
	Timeout time.Duration
	// Trace, when not nil, is told of every request after its answer.
	Trace func(Call)
}

// Call is what [Config.Trace] is told: nothing in it is secret.
type Call struct {
	Method, Path string
	Status       int // 0 when no answer came
	RequestID    string
	Took         time.Duration
}

// Client is one daemon's client. It is safe for concurrent use and keeps its
// connection open between calls.
type Client struct {
	endpoint Endpoint
	key      string
	base     string
	http     *http.Client
	trace    func(Call)
	ownCert  string        // file of our own certificate, "" for none
	silence  time.Duration // of a daemon that is followed
}

// New makes a client; it reads the files that cfg names and does not connect.
// A file that cannot be used is a *[FileError], a setting for TLS with another
// URL [ErrNotTLS]; no error repeats the key.
func New(cfg Config) (*Client, error) {
	endpoint, err := ParseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	if !headerSafe(cfg.Key) {
		return nil, errors.New("the key holds blanks or characters that no key has")
	}
	transport, err := newTransport(endpoint, cfg)
	if err != nil {
		return nil, err
	}
	timeout := cfg.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	return &Client{
		endpoint: endpoint,
		key:      cfg.Key,
		base:     endpoint.base(),
		trace:    cfg.Trace,
		ownCert:  cfg.ClientCert,
		silence:  maxSilence,
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       timeout,
		},
	}, nil
}

// Close drops the idle connection.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// URL is the daemon's URL in its normal form.
func (c *Client) URL() string { return c.endpoint.String() }

// headerSafe reports whether s can be a bearer credential.
func headerSafe(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// call is one request: where it goes, who asks, and what it carries.
type call struct {
	method string
	path   string // escaped, with a leading slash
	query  url.Values
	bearer string                // key or token; empty sends no Authorization
	body   any                   // nil sends no body
	limit  int64                 // bound of the answer in bytes; 0 means maxAnswer
	sent   func(done, all int64) // is told how much of the body has been sent; may be nil
}

// do sends a call and decodes the answer into out, unless out is nil.
func (c *Client) do(ctx context.Context, cl call, out any) error {
	req, err := c.request(ctx, cl)
	if err != nil {
		return err
	}
	started := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		c.report(cl, nil, started)
		return c.transportError(cl.method, err)
	}
	defer res.Body.Close()
	defer c.report(cl, res, started)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return c.answerError(res)
	}
	if out == nil || res.StatusCode == http.StatusNoContent {
		return drain(res.Body)
	}
	if err := decode(res.Body, cl.limit, out); err != nil {
		if netErr := (*brokenError)(nil); errors.As(err, &netErr) {
			return c.transportError(cl.method, netErr.err)
		}
		return fmt.Errorf("reading the daemon's answer to %s %s: %w", cl.method, cl.path, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, cl call) (*http.Request, error) {
	var body io.Reader
	if cl.body != nil {
		b, err := json.Marshal(cl.body)
		if err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	target := c.base + cl.path
	if len(cl.query) > 0 {
		target += "?" + cl.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, cl.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	if cl.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if cl.sent != nil && req.Body != nil {
		req.Body = &watched{ReadCloser: req.Body, all: req.ContentLength, sent: cl.sent}
	}
	if cl.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+cl.bearer)
	}
	return req, nil
}

// watched is a body that tells how much of it was read.
type watched struct {
	io.ReadCloser
	done, all int64
	sent      func(done, all int64)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.done += int64(n)
	w.sent(w.done, w.all)
	return n, err
}

func (c *Client) report(cl call, res *http.Response, started time.Time) {
	if c.trace == nil {
		return
	}
	t := Call{Method: cl.method, Path: cl.path, Took: time.Since(started)}
	if res != nil {
		t.Status, t.RequestID = res.StatusCode, res.Header.Get("X-Request-Id")
	}
	c.trace(t)
}

// brokenError is a connection that ended inside an answer.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }

// decode reads one JSON document of at most limit bytes and nothing after it.
// Fields it does not know are left alone: a newer daemon may send more.
func decode(r io.Reader, limit int64, out any) error {
	if limit == 0 {
		limit = maxAnswer
	}
	b, err := wipe.ReadAll(io.LimitReader(r, limit+1), 0)
	if err != nil {
		return &brokenError{err}
	}
	defer clear(b) // it may hold values
	if int64(len(b)) > limit {
		return fmt.Errorf("longer than %d bytes", limit)
	}
	if err := json.Unmarshal(b, out); err != nil {
		return errors.New("not the JSON that was expected") // err may quote the value
	}
	return nil
}

// drain reads what is left of an answer without content, so that the
// connection can be used again.
func drain(r io.Reader) error {
	_, _ = io.CopyN(io.Discard, r, 4<<10)
	return nil
}
