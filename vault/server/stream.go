package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// stream is a body that is made as it is sent, for as long as the client takes it. It
// ends when the client has gone, and when the daemon stops.
type stream struct {
	typ    string      // Content-Type
	header http.Header // besides; nil: none
	send   func(ctx context.Context, out *outlet) error
	// failed writes, where the form has a place for it, why the stream ends before
	// its end; nil: there is none.
	failed func(out *outlet, err *api.Error)
	// unending says that it has no end of its own, so that to stop is no failure.
	unending bool
}

// streamBuffer is how much of a stream is sent at once, in bytes.
const streamBuffer = 32 << 10

// outlet is where a stream goes. What is written waits until there is enough of it, or
// Flush. A client that does not take it in time ends the stream, and holds up nobody
// else.
type outlet struct {
	*bufio.Writer
}

func newOutlet(ctx context.Context, w http.ResponseWriter) *outlet {
	return &outlet{bufio.NewWriterSize(&taking{ctx, w, http.NewResponseController(w)}, streamBuffer)}
}

// taking is a client that takes an answer piece by piece.
type taking struct {
	ctx context.Context // of the answer; once it has ended, what is left is to go soon
	w   http.ResponseWriter
	c   *http.ResponseController
}

// Write sends one piece. Between two pieces there is no deadline: HTTP/2 would end
// the stream at it.
func (t *taking) Write(b []byte) (int, error) {
	_ = t.c.SetWriteDeadline(time.Now().Add(answerTimeout + time.Duration(len(b)/answerRate)*time.Second))
	hurried := make(chan struct{})
	calm := context.AfterFunc(t.ctx, func() {
		defer close(hurried)
		_ = t.c.SetWriteDeadline(time.Now().Add(lastPiece))
	})
	n, err := t.w.Write(b)
	if err == nil {
		err = t.c.Flush()
	}
	if !calm() {
		<-hurried // the answer may end before that comes to set it
	}
	_ = t.c.SetWriteDeadline(time.Time{})
	if err != nil {
		err = fmt.Errorf("%w: %w", errNotTaken, err)
	}
	return n, err
}

// errNotTaken: the client has gone, or is too slow.
var errNotTaken = errors.New("the client does not take the answer")

var errStopping = errors.New("the daemon is stopping")

// untilStop is ctx, which also ends when the daemon stops, with errStopping as its cause.
func (s *Server) untilStop(ctx context.Context) (until context.Context, end func()) {
	until, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.open, func() { cancel(errStopping) })
	return until, func() {
		stop()
		cancel(nil)
	}
}

// whyStopped is what the client is told where the daemon stops, or goes on sealed.
func (s *Server) whyStopped() *api.Error {
	if s.isSealed() {
		return vault.SealedNow()
	}
	return api.New(api.CodeInternal, errStopping.Error()).WithHint("try again when it runs")
}

// stream sends st. One that fails is cut off, so that no client takes what came for
// the whole.
func (s *Server) stream(w http.ResponseWriter, rq *request, st *stream) {
	ctx, end := s.untilStop(rq.ctx())
	defer end()
	w.Header().Set("Content-Type", st.typ)
	maps.Copy(w.Header(), st.header)
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush() // that it has begun shows, whatever comes of it
	out := newOutlet(ctx, w)
	err := st.send(ctx, out)
	if err == nil {
		err = out.Flush()
	}
	stopping := context.Cause(ctx) == errStopping
	if err == nil || stopping && st.unending && out.Flush() == nil {
		return
	}
	if !stopping && (rq.ctx().Err() != nil || errors.Is(err, errNotTaken)) {
		s.cfg.Log.Debug("the client went before the end of its answer", "request_id", rq.origin.RequestID)
		panic(http.ErrAbortHandler)
	}
	if stopping {
		err = s.whyStopped()
	}
	if e := s.wireError(rq, err); st.failed != nil {
		st.failed(out, e)
		_ = out.Flush() // it is cut off now, whether that has arrived or not
	}
	panic(http.ErrAbortHandler)
}
