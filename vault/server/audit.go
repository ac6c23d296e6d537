package server

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// Defaults of a page of the trail.
const (
	defaultEvents = 50
	maxPage       = 1000 // to go further there is the cursor
	maxPassed     = 5000 // events that a page may lie behind and count as a cheap one
)

func (s *Server) audit(rq *request) (any, error) {
	q, err := rq.query("namespace", "agent", "action", "since", "until", "limit", "page", "cursor")
	if err != nil {
		return nil, err
	}
	f, err := s.filterOf(q)
	if err != nil {
		return nil, err
	}
	limit, err := number(q, "limit", defaultEvents, maxEvents)
	if err != nil {
		return nil, err
	}
	page, err := number(q, "page", 1, maxPage)
	if err != nil {
		return nil, err
	}
	if page > 1 && f.Before > 0 {
		return nil, bad("page: give page or cursor, not both")
	}
	if (page-1)*limit > maxPassed {
		if err := rq.alongTrail(s.walks, "exported or counted", "go on by next_cursor instead of page, which walks over all before it"); err != nil {
			return nil, err
		}
	}
	return s.auditPage(rq, f, limit, page)
}

// auditPage is one page. Pages before it are passed over: the cursor is the way
// to go far.
func (s *Server) auditPage(rq *request, f audit.Filter, limit, page int) (any, error) {
	counted := f.TimeOnly()
	who := rq.who()
	out := api.AuditPage{Events: []api.AuditEvent{}, Page: page, Limit: limit}
	for at := 1; ; at++ {
		events, next, inTime, err := s.cfg.Vault.Audit(rq.ctx(), who, f, limit)
		if err != nil {
			return nil, err
		}
		if counted {
			out.Total = &inTime
		}
		if at < page && next != 0 {
			f.Before = next
			continue
		}
		if at == page {
			for _, e := range events {
				out.Events = append(out.Events, vault.DescribeEvent(e))
			}
			if next != 0 {
				out.NextCursor = f.Cursor(s.cfg.Vault.Tenant(), next)
			}
		}
		return out, nil
	}
}

func (s *Server) filterOf(q map[string]string) (f audit.Filter, err error) {
	if ns, ok := q["namespace"]; ok {
		parsed, err := policy.ParseNamespace(ns)
		if err != nil {
			return f, bad("namespace: " + err.Error())
		}
		f.Namespace = parsed.String()
	}
	if f.Actor = q["agent"]; len(f.Actor) > maxSegment {
		return f, bad("agent: longer than 128 bytes")
	}
	if f.Action, err = actionOf(q); err != nil {
		return f, err
	}
	if f.Since, err = instant(q, "since"); err != nil {
		return f, err
	}
	if f.Until, err = instant(q, "until"); err != nil {
		return f, err
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && f.Until.Before(f.Since) {
		return f, bad("until: before since")
	}
	return s.cursorOf(q, f)
}

// actionOf is what the events are to be of.
func actionOf(q map[string]string) (string, error) {
	text, ok := q["action"]
	if !ok {
		return "", nil
	}
	if len(text) > maxSegment {
		return "", bad("action: longer than 128 bytes")
	}
	action, err := audit.ParseActionFilter(text)
	if unknown, ok := errors.AsType[*audit.UnknownActionError](err); ok {
		return "", api.New(api.CodeValidation, "action: "+err.Error()).WithHint("there is " + strings.Join(unknown.Nearest, ", "))
	}
	return action, err
}

// cursorOf is f from the cursor on.
func (s *Server) cursorOf(q map[string]string, f audit.Filter) (audit.Filter, error) {
	text, ok := q["cursor"]
	if !ok {
		return f, nil
	}
	from, err := f.From(s.cfg.Vault.Tenant(), text)
	if err != nil {
		return f, api.New(api.CodeValidation, "cursor: "+err.Error()).
			WithHint("send next_cursor with the same namespace, agent, action, since and until, or begin anew without a cursor")
	}
	return from, nil
}

func instant(q map[string]string, name string) (time.Time, error) {
	text, ok := q[name]
	if !ok {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, bad(name + ": an RFC 3339 time like 2026-03-14T13:00:00Z is expected")
	}
	return t.UTC(), nil
}

func number(q map[string]string, name string, def, most int) (int, error) {
	text, ok := q[name]
	if !ok {
		return def, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n < 1 || int(n) > most {
		return 0, bad(name + ": a whole number from 1 to " + strconv.Itoa(most) + " is expected")
	}
	return int(n), nil
}
