package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/vault/server/certs"
)

// Front answers on the daemon's listeners, with the server that stands behind it: the
// sealed one first, where the vault has to be opened, then the one with all routes. They
// are exchanged between two requests, and no listener or connection is closed for it.
type Front struct {
	http   *http.Server
	behind atomic.Pointer[Server]
	keep   atomic.Bool // listeners are only paused when the front ends
}

// NewFront is a front with nobody behind it yet. certificates are what ServeTLS shows;
// nil without TLS.
func NewFront(log hclog.Logger, certificates *certs.Keeper) *Front {
	f := &Front{}
	f.http = &http.Server{
		Handler:           f,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnContext:       withOrigin,
		ConnState:         noteState,
		ErrorLog:          log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		// "OPTIONS *" is for us to answer too.
		DisableGeneralOptionsHandler: true,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReadFrameSize:              maxFrame,
			MaxReceiveBufferPerStream:     maxStreamBuffer,
			MaxReceiveBufferPerConnection: maxConnBuffer,
			MaxDecoderHeaderTableSize:     maxHeaderTable,
			MaxEncoderHeaderTableSize:     maxHeaderTable,
			WriteByteTimeout:              answerTimeout,
		},
	}
	if certificates != nil {
		f.http.TLSConfig = certificates.TLSConfig()
	}
	return f
}

// Answer has s answer every request from now on. Those under way are answered by whom
// they came to.
func (f *Front) Answer(s *Server) { f.behind.Store(s) }

// ServeHTTP hands the request on.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.behind.Load().ServeHTTP(w, r)
}

// Serve answers requests on l until Shutdown or Release; then it returns nil. There must
// be a server behind it by then.
func (f *Front) Serve(l net.Listener) error {
	return served(f.http.Serve(&pausing{l, &f.keep}))
}

// ServeTLS is Serve over TLS.
func (f *Front) ServeTLS(l net.Listener) error {
	return served(f.http.ServeTLS(&pausing{l, &f.keep}, "", ""))
}

func served(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown stops accepting, lets what is under way finish for as long as ctx
// lasts, and closes the rest.
func (f *Front) Shutdown(ctx context.Context) error {
	err := f.http.Shutdown(ctx)
	if err != nil {
		return errors.Join(err, f.http.Close())
	}
	return nil
}

// Release is Shutdown, but leaves the listeners that [ListenUnix], [Adopt] and [ListenTCP]
// have made as they are: whoever connects waits for the next one that accepts there.
func (f *Front) Release(ctx context.Context) error {
	f.keep.Store(true)
	return f.Shutdown(ctx)
}

// pausing is a listener that is closed, or paused where it is to be kept.
type pausing struct {
	net.Listener
	keep *atomic.Bool
}

// longAgo ends what waits for a connection.
var longAgo = time.Unix(1, 0)

// Close stops accepting.
func (p *pausing) Close() error {
	if l, ok := p.Listener.(interface{ pause() error }); ok && p.keep.Load() {
		return l.pause()
	}
	return p.Listener.Close()
}
