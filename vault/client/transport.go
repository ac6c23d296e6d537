package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/agent-secret-store/assd/internal/peer"
)

// connectTime bounds the making of a connection, and the TLS handshake on it.
const connectTime = 10 * time.Second

// newTransport makes the one transport of a client. No proxy from the
// environment is used: a key goes to the daemon and nowhere else.
func newTransport(e Endpoint, cfg Config) (*http.Transport, error) {
	t := &http.Transport{
		DisableCompression:     true,
		MaxIdleConns:           4,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: maxHeaders,
	}
	d := &dialer{url: e.String(), net: net.Dialer{Timeout: connectTime}}
	if e.TLS() {
		var err error
		if d.tls, err = newTLS(e, cfg); err != nil {
			return nil, err
		}
		t.DialTLSContext = d.dialTLS
		return t, nil
	}
	if cfg.hasTLS() {
		return nil, ErrNotTLS
	}
	t.DialContext = d.dial
	if socket := e.Socket(); socket != "" {
		uid := ownUID()
		if cfg.DaemonUID != nil {
			uid = *cfg.DaemonUID
		}
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialSocket(ctx, &d.net, socket, uid)
		}
	}
	return t, nil
}

// dialer connects to the daemon at url.
type dialer struct {
	url string
	net net.Dialer
	tls *tls.Config // nil for plain connections
}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := d.net.DialContext(ctx, network, addr)
	if err != nil {
		return nil, &UnreachableError{URL: d.url, Err: err}
	}
	return conn, nil
}

// dialTLS connects and finishes the handshake, and with it the check of who is
// there. It does so itself, and not net/http, because an error here means that
// nothing of a request was sent.
func (d *dialer) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn := tls.Client(raw, d.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			return nil, refused
		}
		return nil, &UnreachableError{URL: d.url, Err: err}
	}
	return conn, nil
}

// ownUID is our effective user id; systems without one have no Unix peers
// that could be checked either.
func ownUID() int { return os.Geteuid() }

// dialSocket connects to a daemon that runs as uid. Whose the path is, is
// checked before connecting; who answers, before anything is sent.
func dialSocket(ctx context.Context, d *net.Dialer, path string, uid int) (net.Conn, error) {
	if err := checkSocket(path, uid); err != nil {
		return nil, err
	}
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, &UnreachableError{URL: SocketURL(path), Err: err}
	}
	if err := checkPeer(conn.(*net.UnixConn), path, uid); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func checkSocket(path string, uid int) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return &UnreachableError{URL: SocketURL(path), Err: err}
	}
	if err != nil {
		return fmt.Errorf("looking at the daemon's socket: %w", err)
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return &RefusedError{URL: SocketURL(path), Reason: "it is not a socket"}
	}
	if err := peer.CheckParents(path, uid); err != nil {
		return &RefusedError{URL: SocketURL(path), Reason: err.Error() +
			"; if its owner is the daemon's user, root says so in " + SystemFile + ": daemon_uid"}
	}
	return nil
}

func checkPeer(conn *net.UnixConn, path string, uid int) error {
	cred, err := peer.Of(conn)
	if err != nil {
		return &RefusedError{URL: SocketURL(path), Reason: "who answers cannot be told: " + err.Error()}
	}
	if cred.UID != uid {
		return &RefusedError{
			URL:    SocketURL(path),
			Reason: fmt.Sprintf("it is answered by user id %d, and the daemon is to run as user id %d", cred.UID, uid),
		}
	}
	return nil
}
