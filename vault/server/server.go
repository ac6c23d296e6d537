// Package server speaks HTTP: requests in, calls of package vault out. It owns
// the bounds of everything that comes from outside: bodies, headers, paths,
// times, connections.
//
// What it guarantees: no value, key or token is logged or put into an error; a
// path is read from the escaped URL once, by policy.ParseRequestPath, and nothing
// is ever redirected; an error is one JSON body with a code of package api.
//
// BUG(server): what net/http refuses before a handler is called (a malformed
// request line, headers that are too large) is answered by it, as plain text
// and without a request id.
//
// What it will not do: decide. Who may do what, vault decides inside the
// transaction.
package server

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os/user"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server/certs"
)

// Config is what a Server needs. What does not say otherwise is required.
type Config struct {
	Vault   *vault.Vault // nil: it is sealed, and Unseal opens it
	Log     hclog.Logger
	Version string // of assd, as health tells it
	// MayClaim reports whether a local peer with this uid may claim the vault.
	MayClaim func(uid int) bool
	// FailedAuthPerMinute is how often a minute one source may fail to
	// authenticate; 0: no limit.
	FailedAuthPerMinute int
	// RequestsPerSecond is how often one key, with all its tokens, may be used,
	// after a burst of as many or of ten; 0: no limit.
	RequestsPerSecond float64
	Now               func() time.Time // for the limits; nil: time.Now
	// Certificates are what ServeTLS shows; nil without TLS.
	Certificates *certs.Keeper
	// Front is what answers on the listeners, where the server is one of several that
	// stand behind it; nil: one of its own.
	Front *Front
	// Unseal opens a sealed vault, with a passphrase or, where that is nil, with what the
	// daemon was told to open it with.
	Unseal func(ctx context.Context, from vault.Origin, passphrase *string) (api.Unsealed, error)
	// UnsealRemote lets unseal whoever MayClaim says, and besides anyone over TLS.
	UnsealRemote bool
}

// Server serves one vault.
type Server struct {
	cfg               Config
	routes            []route
	agents, owners    gates                   // bodies under way
	flight, strangers *gate                   // requests under way: of each bearer, and of each source without one
	failures          atomic.Pointer[limiter] // of authentication, by source
	perKey            atomic.Pointer[limiter] // requests, by holder of the key
	waiting           *gate                   // answers that wait for news, of each bearer
	backups           *gate
	walks, followers  *gate // over the whole trail and along it, of each bearer
	front             *Front
	open              context.Context // ends when the server is to stop
	stop              context.CancelFunc

	document func() (json.RawMessage, error) // that describes the routes, made once
}

// New is a Server; Serve makes it answer.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{cfg: cfg, agents: newGates(), owners: newGates(), flight: newGate(0, maxFlight), strangers: newGate(0, maxStrangers)}
	s.waiting, s.walks = newGate(maxWaiting, maxWaitingEach), newGate(maxWalks, maxWalksEach)
	s.backups = newGate(1, 0)
	s.followers = newGate(maxFollowers, maxFollowersEach)
	s.open, s.stop = context.WithCancel(context.Background())
	s.Limit(cfg.FailedAuthPerMinute, cfg.RequestsPerSecond)
	s.routes = s.table()
	if cfg.Vault == nil {
		s.routes = s.sealedTable()
	}
	s.document = sync.OnceValues(func() (json.RawMessage, error) { return describeAPI(cfg.Version, s.routes) })
	if s.front = cfg.Front; s.front == nil {
		s.front = NewFront(cfg.Log, cfg.Certificates)
		s.front.Answer(s)
	}
	return s
}

// Serve answers requests on l until Shutdown; then it returns nil.
func (s *Server) Serve(l net.Listener) error { return s.front.Serve(l) }

// ServeTLS answers requests on l, over TLS, until Shutdown; then it returns nil.
// Config.Certificates says what is shown.
func (s *Server) ServeTLS(l net.Listener) error { return s.front.ServeTLS(l) }

// Shutdown stops accepting, lets what is under way finish for as long as ctx
// lasts, and closes the rest.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Stop()
	return s.front.Shutdown(ctx)
}

// Stop ends what does not end by itself: what waits for news is answered as things are.
func (s *Server) Stop() { s.stop() }

// ServeHTTP finds the route and answers.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	rq := newRequest(s, r)
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Request-Id", rq.origin.RequestID)
	// Until the answer is gone: a client that does not take it must not make us
	// keep many.
	leave, err := s.board(rq)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer leave()
	defer func() { rq.leave() }()
	name, a := s.answer(rq, w)
	if errors.Is(a.err, context.Canceled) {
		panic(http.ErrAbortHandler) // the client has gone, or has closed its half: net/http closes the rest
	}
	if s.cfg.Vault != nil && s.cfg.Vault.IsSealing() {
		head.Set("Connection", "close") // what comes next is for whoever serves it sealed
	}
	s.write(w, rq, a)
	if s.cfg.Log.IsDebug() {
		// Not the method: a client can send anything as one. The route says it.
		s.cfg.Log.Debug("request", "route", name, "status", a.status(), "took", time.Since(began), "request_id", rq.origin.RequestID)
	}
}

// answer runs the handler. A panic in it is answered like any internal error.
func (s *Server) answer(rq *request, w http.ResponseWriter) (name string, a answer) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("a handler panicked", "route", name, "request_id", rq.origin.RequestID)
			a = failure(api.New(api.CodeInternal, "internal error"))
		}
	}()
	rt := s.find(rq)
	if s.isSealed() && (rt == nil || !whileSealed(rt.name)) {
		return "none", failure(vault.SealedNow())
	}
	if rt == nil {
		return "none", failure(api.New(api.CodeNotFound, "there is no such route"))
	}
	name = rt.name
	if s.failed() && name != "health" {
		return name, failure(api.New(api.CodeInternal, "the daemon has stopped serving; its log says why").WithHint("run: assd verify"))
	}
	body, err := s.serve(rq, rt, w)
	s.settle(rq, err)
	return name, answer{body, err}
}

// serve runs the handler, if the caller may come in now.
func (s *Server) serve(rq *request, rt *route, w http.ResponseWriter) (any, error) {
	if err := s.meter(rq, rt); err != nil {
		return nil, err
	}
	leave, err := s.enter(rq, rt)
	if err != nil {
		return nil, err
	}
	if rt.values() {
		rq.leave = leave
	} else {
		defer leave()
	}
	rq.http.Body = http.MaxBytesReader(w, rq.http.Body, rt.body)
	rq.hurry = func() func(bool) { return s.hurry(w) }
	if rt.long() {
		liftDeadlines(w)
	}
	return rt.handle(rq)
}

func (s *Server) health(*request) (any, error) {
	h := api.Health{Status: "ok", Version: s.cfg.Version, Service: "assd", Sealed: s.isSealed()}
	if s.failed() {
		h.Status = "failed"
	}
	return h, nil
}

func (s *Server) jwks(*request) (any, error) { return s.cfg.Vault.JWKS(), nil }

func (s *Server) me(rq *request) (any, error) {
	if _, err := rq.query(); err != nil {
		return nil, err
	}
	return s.cfg.Vault.Me(rq.ctx(), rq.who())
}

// claim hands the vault to the local user it belongs to, once.
func (s *Server) claim(rq *request) (any, error) {
	uid := rq.origin.Source.UID
	if !rq.origin.Local || uid == nil || !s.cfg.MayClaim(*uid) { // before a body is waited for
		return nil, api.New(api.CodeScopeDenied, "a vault is claimed over its local socket, by the user that its data belongs to").
			WithHint("log in with a key: ASS_AGENT_KEY=ask_live_... ass login")
	}
	want, err := decode[api.ClaimRequest](rq)
	if err != nil {
		return nil, err
	}
	return s.cfg.Vault.Claim(rq.ctx(), ownerName(*uid), rq.origin, want)
}

// ownerName is the login name of uid, or "owner".
func ownerName(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil || policy.CheckName(u.Username) != nil {
		return "owner"
	}
	return u.Username
}
