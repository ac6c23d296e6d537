package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/agent-secret-store/assd/internal/crashpoint"
	"github.com/agent-secret-store/assd/vault/api"
)

// answer is what goes back: a body, or an error.
type answer struct {
	body any
	err  error
}

// accepted is the body of an answer that waits, for an owner or a command: 202.
type accepted struct{ body any }

func failure(err error) answer { return answer{err: err} }

func (a answer) status() int {
	switch {
	case a.err != nil:
		return api.CodeOf(a.err).Status()
	case a.body == nil:
		return http.StatusNoContent
	}
	if _, waits := a.body.(accepted); waits {
		return http.StatusAccepted
	}
	return http.StatusOK
}

// write sends a. An error that is not meant for the wire is logged, and the
// client is told no more than where to look.
func (s *Server) write(w http.ResponseWriter, rq *request, a answer) {
	crashpoint.At("answer")
	body := a.body
	if st, ok := body.(*stream); ok && a.err == nil {
		s.stream(w, rq, st)
		return
	}
	if waits, ok := body.(accepted); ok {
		body = waits.body
	}
	if a.err != nil {
		body = s.errorBody(w, rq, a.err)
	}
	if body == nil {
		w.WriteHeader(a.status())
		return
	}
	text, shared := body.(json.RawMessage)
	if !shared {
		var err error
		if text, err = encode(body); err != nil {
			s.cfg.Log.Error("an answer could not be encoded", "error", err, "request_id", rq.origin.RequestID)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		defer clear(text) // it may hold a value
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	s.setDeadlines(w, len(text))
	w.WriteHeader(a.status())
	if _, err := w.Write(text); err != nil && s.cfg.Log.IsDebug() {
		s.cfg.Log.Debug("an answer was not taken", "request_id", rq.origin.RequestID)
	}
}

// setDeadlines bounds how long an answer may take from now: first net/http reads
// what the handler has left of a short body, then the client takes the answer. A
// ResponseWriter without deadlines, as tests have it, has none to be set.
func (s *Server) setDeadlines(w http.ResponseWriter, length int) {
	wait := restTimeout
	if s.isSealed() { // and who sends nothing holds up the next image
		wait = requestTime
	}
	c, rest := http.NewResponseController(w), time.Now().Add(wait)
	_ = c.SetReadDeadline(rest)
	_ = c.SetWriteDeadline(rest.Add(answerTimeout + time.Duration(length/answerRate)*time.Second))
}

// liftDeadlines takes away those that the server sets for each request, at which HTTP/2
// resets what was not answered by then. The answer sets its own; that the client has gone
// shows without one.
func liftDeadlines(w http.ResponseWriter) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Time{})
}

// encode is body as JSON, without escapes for HTML.
func encode(body any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(body)
	return buf.Bytes(), err
}

// wireError is err as it may be told. What is not meant for the wire is logged.
func (s *Server) wireError(rq *request, err error) *api.Error {
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		s.cfg.Log.Error("a request failed", "error", err, "request_id", rq.origin.RequestID)
		e = api.New(api.CodeInternal, "internal error; the daemon's log says more under "+rq.origin.RequestID)
	}
	return e
}

func (s *Server) errorBody(w http.ResponseWriter, rq *request, err error) any {
	e := s.wireError(rq, err)
	if e.Code == api.CodeUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="assd"`)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	return api.ErrorBody{Error: *e, Detail: e.Message, ApprovalID: e.ApprovalID}
}
