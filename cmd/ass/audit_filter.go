package main

import (
	"time"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/client"
)

// auditFilter is the flags that choose events.
type auditFilter struct {
	Namespace string `placeholder:"NS" help:"Events in this namespace and below it."`
	Agent     string `placeholder:"NAME" help:"Events of this agent or owner."`
	Action    string `placeholder:"ACTION" help:"Events of this kind, like secret.read, secret.read.denied or secret."`
	Since     string `placeholder:"TIME" help:"From a date, a time (RFC 3339) or an age (1h, 7d) on."`
	Until     string `placeholder:"TIME" help:"Up to a time or age, or to the end of a date."`
}

// some reports whether anything is filtered.
func (f auditFilter) some() bool { return f != auditFilter{} }

// query checks the flags.
func (f auditFilter) query(now time.Time) (q client.AuditQuery, err error) {
	if f.Namespace != "" {
		if _, err := policy.ParseNamespace(f.Namespace); err != nil {
			return q, usage("--namespace: "+err.Error(), "a namespace is like production or staging/openai")
		}
	}
	q = client.AuditQuery{Namespace: f.Namespace, Agent: f.Agent, Action: f.Action}
	if q.Since, err = parseWhen(f.Since, now, false); err != nil {
		return q, usage("--since "+err.Error(), "--since 2026-03-01, --since 7d")
	}
	if q.Until, err = parseWhen(f.Until, now, true); err != nil {
		return q, usage("--until "+err.Error(), "--until 2026-03-14, --until 1h")
	}
	if !q.Until.IsZero() && q.Since.After(q.Until) {
		return q, usage("--since is after --until", "swap them")
	}
	return q, nil
}

// queryPast is query for what looks back from now, where a time to come is a mistake.
func (f auditFilter) queryPast(now time.Time) (client.AuditQuery, error) {
	q, err := f.query(now)
	if err == nil && q.Since.After(now) {
		err = usage("--since is a time that is yet to come", "--since 2026-03-01, --since 7d; times are in UTC")
	}
	return q, err
}

// noteNone says that the filters match nothing, which may be a mistake in them.
func (f auditFilter) noteNone(a *app) {
	if f.some() {
		a.note("No event matches. What there is, without a filter: ass audit")
	}
}
