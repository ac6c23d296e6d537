package main

import (
	"fmt"
	"math"
	"time"

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
	Export     auditExportCmd     `cmd:"" help:"Print the whole trail, as jsonl to be proved or as csv."`
	Stats      auditStatsCmd      `cmd:"" help:"Count who did what how often."`
}

type auditListCmd struct {
	auditFilter
	Limit  int  `default:"50" placeholder:"N" help:"At most so many events, the newest. Default 50."`
	Follow bool `help:"Then go on, and print events as they come, until Ctrl-C: oldest first, with --json a line each."`
}

// Help shows examples.
func (auditListCmd) Help() string {
	return `Every read, write and refusal is in the trail, newest first. Dates and times are
in UTC. (×7) stands for seven equal refusals, which are counted together; with
vault.unseal it is the wrong passphrases before it. With --json "more": true says that
there are older events, which --limit left out.

Examples:

  ass audit
  ass audit --namespace production
  ass audit --agent deploy-bot --action secret.read
  ass audit --since 2026-03-01 --until 2026-03-14
  ass audit --action secret.read.denied --follow
  ass audit --namespace production --action secret.read.denied --since 1h --json \
    | jq '.events | length'`
}

// Run prints the newest events that match.
func (c *auditListCmd) Run(a *app) error {
	q, err := c.request(time.Now())
	if err != nil {
		return err
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	if c.Follow {
		return c.follow(a, cl, q)
	}
	events, older, err := a.events(cl, q, c.Limit)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(listedEvents{events, older})
	}
	if older {
		a.note(fmt.Sprintf("there are older events; to see more of them: --limit %d", 10*min(c.Limit, math.MaxInt/10)))
	}
	if len(events) == 0 {
		c.noteNone(a)
	}
	return a.answer(c.table(events).String())
}

// listedEvents is what ass audit prints as JSON.
type listedEvents struct {
	Events []api.AuditEvent `json:"events"`
	More   bool             `json:"more,omitempty"` // there are older ones, which the limit left out
}

// request checks the command line.
func (c *auditListCmd) request(now time.Time) (client.AuditQuery, error) {
	switch {
	case c.Limit < 1:
		return client.AuditQuery{}, usage("--limit must be 1 or more", "--limit 50")
	case c.Follow && c.Until != "":
		return client.AuditQuery{}, usage("--follow has no end, and --until is one", "leave out one of the two")
	case c.Follow:
		return c.queryPast(now)
	}
	return c.query(now)
}

// events fetches at most limit events, page by page, and tells whether there are
// older ones.
func (a *app) events(cl *client.Client, q client.AuditQuery, limit int) (events []api.AuditEvent, older bool, err error) {
	events = []api.AuditEvent{}
	for len(events) < limit {
		q.Limit = min(limit-len(events), pageSize)
		page, err := cl.Audit(a.ctx, q)
		if err != nil {
			return nil, false, err
		}
		events = append(events, page.Events...)
		if q.Cursor = page.NextCursor; q.Cursor == "" || len(page.Events) == 0 {
			return events, false, nil
		}
	}
	return events[:limit], true, nil
}

func (c *auditListCmd) table(events []api.AuditEvent) sheet {
	where := "all namespaces"
	if c.Namespace != "" {
		where = c.Namespace
	}
	t := sheet{
		title: "Audit Trail", count: fmt.Sprintf("%s · last %s", where, plural(len(events), "event")),
		columns: []string{"Timestamp (UTC)", "Agent", "Action", "Resource"}, width: screenWidth(),
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
