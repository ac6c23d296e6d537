package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/agent-secret-store/assd/vault/api"
)

// answer is what goes back: a body, or an error.
type answer struct {
	body any
	err  error
}

// accepted is the body of an answer that waits for an owner: 202.
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
	body := a.body
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
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		s.cfg.Log.Error("an answer could not be encoded", "error", err, "request_id", rq.origin.RequestID)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	defer clear(buf.Bytes())
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(buf.Len()))
	w.WriteHeader(a.status())
	if _, err := w.Write(buf.Bytes()); err != nil && s.cfg.Log.IsDebug() {
		s.cfg.Log.Debug("an answer was not taken", "request_id", rq.origin.RequestID)
	}
}

func (s *Server) errorBody(w http.ResponseWriter, rq *request, err error) any {
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		s.cfg.Log.Error("a request failed", "error", err, "request_id", rq.origin.RequestID)
		e = api.New(api.CodeInternal, "internal error; the daemon's log says more under "+rq.origin.RequestID)
	}
	if e.Code == api.CodeUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="assd"`)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	return api.ErrorBody{Error: *e, Detail: e.Message, ApprovalID: e.ApprovalID}
}
