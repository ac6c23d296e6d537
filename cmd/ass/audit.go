package main

import (
	"fmt"
	"time"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// pageSize is how many events the daemon gives at once.
const pageSize = 1000

type auditCmd struct {
	List       auditListCmd       `cmd:"" default:"withargs" help:"Show the newest events. What ass audit does."`
	Verify     auditVerifyCmd     `cmd:"" help:"Check the whole trail, without trusting the daemon."`
	Checkpoint auditCheckpointCmd `cmd:"" help:"Print the signed head of the trail, to be kept elsewhere."`
	RotateKey  auditRotateKeyCmd  `cmd:"" name:"rotate-key" help:"Have another key sign the trail from now on."`
}

type auditListCmd struct {
	Namespace string `placeholder:"NS" help:"Events in this namespace."`
	Agent     string `placeholder:"NAME" help:"Events of this agent or owner."`
	Action    string `placeholder:"ACTION" help:"Events of this kind, like secret.read or secret.read.denied."`
	Since     string `placeholder:"TIME" help:"From a date, a time (RFC 3339) or an age (1h, 7d) on."`
	Until     string `placeholder:"TIME" help:"Up to a time or age, or to the end of a date."`
	Limit     int    `default:"50" placeholder:"N" help:"At most so many events, the newest. Default 50."`
}

// Help shows examples.
func (auditListCmd) Help() string {
	return `Every read, write and refusal is in the trail, newest first. Dates and times are
in UTC.

Examples:

  ass audit
  ass audit --namespace production
  ass audit --agent deploy-bot --action secret.read
  ass audit --since 2026-03-01 --until 2026-03-14
  ass audit --namespace production --action secret.read.denied --since 1h --json \
    | jq '.events | length'`
}

// Run prints the newest events that match.
func (c *auditListCmd) Run(a *app) error {
	q, err := c.query(time.Now())
	if err != nil {
		return err
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	events, err := a.events(cl, q, c.Limit)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(map[string]any{"events": events})
	}
	return a.answer(c.table(events).String())
}

// query checks the filters.
func (c *auditListCmd) query(now time.Time) (q client.AuditQuery, err error) {
	if c.Limit < 1 {
		return q, usage("--limit must be 1 or more", "--limit 50")
	}
	if c.Namespace != "" {
		if _, err := policy.ParseNamespace(c.Namespace); err != nil {
			return q, usage("--namespace: "+err.Error(), "a namespace is like production or staging/openai")
		}
	}
	q = client.AuditQuery{Namespace: c.Namespace, Agent: c.Agent, Action: c.Action}
	if q.Since, err = parseWhen(c.Since, now, false); err != nil {
		return q, usage("--since "+err.Error(), "--since 2026-03-01, --since 7d")
	}
	if q.Until, err = parseWhen(c.Until, now, true); err != nil {
		return q, usage("--until "+err.Error(), "--until 2026-03-14, --until 1h")
	}
	if !q.Until.IsZero() && q.Since.After(q.Until) {
		return q, usage("--since is after --until", "swap them")
	}
	return q, nil
}

// events fetches at most limit events, page by page.
func (a *app) events(cl *client.Client, q client.AuditQuery, limit int) ([]api.AuditEvent, error) {
	events := []api.AuditEvent{}
	for len(events) < limit {
		q.Limit = min(limit-len(events), pageSize)
		page, err := cl.Audit(a.ctx, q)
		if err != nil {
			return nil, err
		}
		events = append(events, page.Events...)
		if q.Cursor = page.NextCursor; q.Cursor == "" || len(page.Events) == 0 {
			break
		}
	}
	return events[:min(limit, len(events))], nil
}

func (c *auditListCmd) table(events []api.AuditEvent) sheet {
	where := "all namespaces"
	if c.Namespace != "" {
		where = c.Namespace
	}
	t := sheet{
		title: "Audit Trail", count: fmt.Sprintf("%s · last %s", where, plural(len(events), "event")),
		columns: []string{"Timestamp (UTC)", "Agent", "Action", "Resource"},
	}
	for _, e := range events {
		t.rows = append(t.rows, []string{moment(e.Timestamp), e.AgentID, action(e), c.resource(e)})
	}
	return t
}

// action is the event's action, with how many equal ones it stands for.
func action(e api.AuditEvent) string {
	if e.Count > 1 {
		return fmt.Sprintf("%s (×%d)", e.Action, e.Count)
	}
	return e.Action
}

// resource is the key when the table is about its namespace, else the path.
func (c *auditListCmd) resource(e api.AuditEvent) string {
	switch {
	case e.Namespace == "" || e.Namespace == c.Namespace:
		return e.Resource
	case e.Resource == "":
		return e.Namespace
	}
	return e.Namespace + "/" + e.Resource
}
