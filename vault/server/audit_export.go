package server

import (
	"context"
	"encoding/json"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// Content types of the trail.
const (
	typeJSONL = "application/jsonl"
	typeCSV   = "text/csv"
)

// filterQuery are the parameters by which the trail is filtered.
var filterQuery = []string{"namespace", "agent", "action", "since", "until"}

// exportAudit streams the trail, oldest first, up to what was the newest event when it
// began.
func (s *Server) exportAudit(rq *request) (any, error) {
	q, err := rq.query(append([]string{"format", "heads"}, filterQuery...)...)
	if err != nil {
		return nil, err
	}
	f, err := s.filterOf(q)
	if err != nil {
		return nil, err
	}
	heads, err := headsOf(q, f)
	if err != nil {
		return nil, err
	}
	switch q["format"] {
	case "", api.AuditJSONL, api.AuditCSV:
	default:
		return nil, bad("format: jsonl or csv is expected")
	}
	if err := s.walkTrail(rq); err != nil {
		return nil, err
	}
	t, err := s.cfg.Vault.Trail(rq.ctx(), rq.who(), f)
	if err != nil {
		return nil, err
	}
	if q["format"] == api.AuditCSV {
		return &stream{typ: typeCSV + "; charset=utf-8; header=present", send: func(ctx context.Context, out *outlet) error { return sendCSV(ctx, out, t) }}, nil
	}
	return &stream{
		typ:    typeJSONL + "; charset=utf-8",
		send:   func(ctx context.Context, out *outlet) error { return sendJSONL(ctx, out, t, heads) },
		failed: func(out *outlet, e *api.Error) { _ = writeLine(out, api.ErrorBody{Error: *e, Detail: e.Message}) },
	}, nil
}

// headsOf reports whether the signed heads are asked for. Of some events alone they
// would prove nothing.
func headsOf(q map[string]string, f audit.Filter) (bool, error) {
	switch q["heads"] {
	case "", "false":
		return false, nil
	case "true":
	default:
		return false, bad("heads: true or false is expected")
	}
	if q["format"] == api.AuditCSV || f != (audit.Filter{}) {
		return false, bad("heads: they go with jsonl without filters alone")
	}
	return true, nil
}

// walkTrail lets only so many walk the whole trail at a time.
func (s *Server) walkTrail(rq *request) error {
	return rq.alongTrail(s.walks, "exported or counted", "try again when that is done")
}

// alongTrail takes a place in g, which is given back once the answer is gone. Who may
// not read the trail is refused before.
func (rq *request) alongTrail(g *gate, how, hint string) error {
	if err := rq.vault.AdmitToTrail(rq.ctx(), rq.who()); err != nil {
		return err
	}
	leave, ok := g.tryEnter(rq.who().Bearer())
	if !ok {
		return &api.Error{Code: api.CodeRateLimited, Message: "the trail is being " + how + " already, as often at once as the daemon allows",
			Hint: hint, RetryAfter: walkRetry}
	}
	rq.leave = leave
	return nil
}

// walkEach calls fn with what is left of t.
func walkEach(ctx context.Context, t *vault.Trail, fn func(audit.Link) error) error {
	for !t.Done() {
		links, err := t.Next(ctx)
		if err != nil {
			return err
		}
		for _, l := range links {
			if err := fn(l); err != nil {
				return err
			}
		}
	}
	return nil
}

func sendJSONL(ctx context.Context, out *outlet, t *vault.Trail, heads bool) error {
	return walkEach(ctx, t, func(l audit.Link) error {
		err := writeLine(out, api.AuditLine{Seq: l.Seq, Prev: l.Prev.String(), Hash: l.Hash.String(), Event: string(l.Bytes)})
		for i := 0; heads && err == nil && i < len(l.Signatures); i++ {
			err = writeLine(out, api.AuditHead{Head: l.Seq, Epoch: l.Signatures[i].Epoch, Signature: l.Signatures[i].Bytes})
		}
		return err
	})
}

func writeLine(out *outlet, x any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return enc.Encode(x)
}
