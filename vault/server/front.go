package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
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
	keep   atomic.Bool   // listeners are only paused when the front ends
	parked chan struct{} // closed by Release once nobody accepts any more

	mu        sync.Mutex
	listeners []*pausing
	due       map[net.Conn]bool // connections from which a request is to come (true), or has and no handler runs yet
	rest      map[net.Conn]bool // connections whose handler has ended, and from which the rest of a body may still come
	hurried   bool              // it is to come soon
}

// NewFront is a front with nobody behind it yet. certificates are what ServeTLS shows;
// nil without TLS.
func NewFront(log hclog.Logger, certificates *certs.Keeper) *Front {
	f := &Front{due: map[net.Conn]bool{}, rest: map[net.Conn]bool{}, parked: make(chan struct{})}
	f.http = &http.Server{
		Handler:           f,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(withOrigin(ctx, c), connKey{}, c)
		},
		ConnState: f.noteState,
		ErrorLog:  log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
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
	c, ok := r.Context().Value(connKey{}).(net.Conn)
	if ok {
		f.forget(c)
	}
	f.behind.Load().ServeHTTP(w, r)
	if ok && r.ProtoMajor == 1 && r.ContentLength != 0 { // over HTTP/2 nobody waits for it
		f.owes(c)
	}
}

// owes notes that net/http reads from c what the handler has left of a body, before the
// answer leaves.
func (f *Front) owes(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rest[c] = true
	if f.hurried {
		_ = c.SetReadDeadline(time.Now().Add(requestTime))
	}
}

// hurryRest has the rest of bodies come soon that nobody wants any more.
func (f *Front) hurryRest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hurried = true
	for c := range f.rest {
		_ = c.SetReadDeadline(time.Now().Add(requestTime))
	}
}

type connKey struct{}

// noteState is told by net/http what becomes of a connection.
func (f *Front) noteState(c net.Conn, state http.ConnState) {
	noteState(c, state)
	f.mu.Lock()
	delete(f.rest, c)
	f.mu.Unlock()
	switch state {
	case http.StateNew, http.StateActive:
		f.mu.Lock()
		f.due[c] = state == http.StateNew
		f.mu.Unlock()
	default:
		f.forget(c)
	}
}

func (f *Front) forget(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.due, c)
}

// Serve answers requests on l until Shutdown or Release; then it returns nil. There must
// be a server behind it by then.
func (f *Front) Serve(l net.Listener) error {
	return served(f.http.Serve(f.pausing(l)))
}

// ServeTLS is Serve over TLS.
func (f *Front) ServeTLS(l net.Listener) error {
	return served(f.http.ServeTLS(f.pausing(l), "", ""))
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

// requestTime is how long clients are waited for when the front ends: for the request of a
// connection that was accepted, and for the rest of a body that nobody wants any more.
const requestTime = time.Second

// Release is Shutdown, but leaves the listeners that [ListenUnix], [Adopt] and [ListenTCP]
// have made as they are: whoever connects waits for the next one that accepts there. Of
// those that were accepted before, each that sends its request soon is answered. It is
// called once.
func (f *Front) Release(ctx context.Context) error {
	f.keep.Store(true)
	f.mu.Lock()
	listeners := f.listeners
	f.mu.Unlock()
	for _, l := range listeners {
		if l.pause() {
			select {
			case <-l.parked: // and what was accepted is known to noteState
			case <-ctx.Done(): // nobody accepts there any more
			}
		}
	}
	close(f.parked)
	f.hurryRest()
	// From its shutdown on net/http throws away what it has not handed on yet.
	for until := time.Now().Add(requestTime); f.isDue() && time.Now().Before(until); {
		time.Sleep(5 * time.Millisecond)
	}
	f.closeSilent()
	return f.Shutdown(ctx)
}

func (f *Front) isDue() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.due) > 0
}

// closeSilent closes the connections that have sent nothing.
func (f *Front) closeSilent() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c, silent := range f.due {
		if silent {
			_ = c.Close() // nobody waits there for an answer
		}
	}
}

// pausing is a listener that is closed, or paused where it is to be kept.
type pausing struct {
	net.Listener
	keep   *atomic.Bool
	parked chan struct{} // closed once nothing is accepted any more
	closed chan struct{}
	park   sync.Once
	once   sync.Once
}

func (f *Front) pausing(l net.Listener) *pausing {
	p := &pausing{Listener: l, keep: &f.keep, parked: make(chan struct{}), closed: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = append(f.listeners, p)
	return p
}

// longAgo ends what waits for a connection.
var longAgo = time.Unix(1, 0)

// Accept waits for a connection; while it is paused, for the end.
func (p *pausing) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil && p.keep.Load() {
		p.park.Do(func() { close(p.parked) })
		<-p.closed
		return nil, net.ErrClosed
	}
	return c, err
}

// pause stops accepting, where the listener can do so and go on.
func (p *pausing) pause() (paused bool) {
	l, ok := p.Listener.(interface{ pause() error })
	return ok && l.pause() == nil
}

// Close stops accepting.
func (p *pausing) Close() error {
	defer p.once.Do(func() { close(p.closed) })
	if p.keep.Load() && p.pause() {
		return nil
	}
	return p.Listener.Close()
}
