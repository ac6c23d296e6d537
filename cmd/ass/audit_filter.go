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
	Action    string `placeholder:"ACTION" help:"Events of this kind, like secret.read or secret.read.denied."`
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
