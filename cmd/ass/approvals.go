package main

import (
	"errors"
	"fmt"

	"slices"
	"strings"
	"unicode"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type approvalsCmd struct {
	List    approvalsListCmd    `cmd:"" help:"List requests that wait, or what became of others."`
	Approve approvalsApproveCmd `cmd:"" help:"Approve requests."`
	Deny    approvalsDenyCmd    `cmd:"" help:"Deny requests."`
	Revoke  approvalsRevokeCmd  `cmd:"" help:"End what an approval has opened."`
	Watch   approvalsWatchCmd   `cmd:"" help:"See requests as they come, and decide with a key."`
}

// Help shows examples.
func (approvalsCmd) Help() string {
	return `Examples:

  ass approvals list
  ass approvals approve apr_abc123 --reason "Scheduled cert renewal"
  ass approvals watch`
}

// isApprovalID reports whether id looks like a request's; what does not is not
// repeated.
func isApprovalID(id string) bool {
	random, ok := strings.CutPrefix(id, "apr_")
	return ok && random != "" && len(random) <= 64 && !strings.ContainsFunc(random, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// everyStatus asks for requests of every status.
const everyStatus = "all"

var approvalStatuses = []string{
	api.ApprovalPending, api.ApprovalApproved, api.ApprovalDenied, api.ApprovalExpired, api.ApprovalRevoked, everyStatus,
}

type approvalsListCmd struct {
	Status string `placeholder:"S" default:"pending" help:"pending, approved (what is open), denied, expired, revoked or all. Default pending."`
}

// Help shows examples.
func (approvalsListCmd) Help() string {
	return `Examples:

  ass approvals list
  ass approvals list --status denied
  ass approvals list --json | jq -r '.items[].id'
  ass approvals list --quiet         ids alone, one a line`
}

// Run lists requests, newest first.
func (c *approvalsListCmd) Run(a *app) error {
	if !slices.Contains(approvalStatuses, c.Status) {
		return usage("--status must be one of "+strings.Join(approvalStatuses, ", "), "ass approvals list --status pending")
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	items, err := a.requests(cl, c.Status)
	if err != nil {
		return err
	}
	switch {
	case a.JSON:
		return a.json(requestList{items})
	case a.Quiet:
		var b strings.Builder
		for _, r := range items {
			b.WriteString(foreign(r.ID, uncut) + "\n")
		}
		return a.answer(b.String())
	}
	return a.answer(c.sheet(items).String() + allDetails(items))
}

// requestList is the JSON of several requests.
type requestList struct {
	Items []api.Approval `json:"items"`
}

// allDetails stand below the table: what does not fit into it, of what waits.
func allDetails(items []api.Approval) string {
	var b strings.Builder
	for _, r := range items {
		text := details(r)
		if r.Source != "" {
			text = block([]string{"asked for from: " + r.Source}) + text
		}
		if text != "" && r.Status == api.ApprovalPending {
			b.WriteString("\n" + foreign(r.ID, uncut) + "\n" + text)
		}
	}
	return b.String()
}

// requests asks the daemon for requests of a status; the list is never nil.
func (a *app) requests(cl *client.Client, status string) ([]api.Approval, error) {
	if status == everyStatus {
		status = ""
	}
	l, err := cl.Approvals(a.ctx, status)
	if err != nil {
		return nil, err
	}
	return append([]api.Approval{}, l.Items...), nil
}

// sheet has the lines of each request; the first names it. It says what became of each
// where they differ in that, in the place of what kept them waiting.
func (c *approvalsListCmd) sheet(items []api.Approval) sheet {
	t := sheet{
		title: strings.ToUpper(c.Status[:1]) + c.Status[1:] + " Approvals", count: listed(len(items)), whole: true,
		columns: []string{"ID", "Agent", "Request", "Tier", "Expires (UTC)"},
	}
	if c.Status == everyStatus {
		t.columns[3] = "Status"
	}
	for _, r := range items {
		for i, asked := range asks(r) {
			line := []string{"", "", asked, "", ""}
			if i == 0 {
				line = []string{r.ID, r.AgentID, asked, r.AccessTier, minute(r.ExpiresAt)}
				if c.Status == everyStatus {
					line[3] = r.Status
				}
			}
			t.rows = append(t.rows, line)
		}
	}
	return t
}

// maxListed is how many requests the daemon lists at most, the newest.
const maxListed = 1000

// listed says how many requests a list of n is about.
func listed(n int) string {
	if n >= maxListed {
		return fmt.Sprintf("the newest %d", n)
	}
	return fmt.Sprintf("%d total", n)
}

type approvalsApproveCmd struct {
	IDs    []string `arg:"" optional:"" name:"id" help:"Requests, apr_..."`
	All    bool     `help:"All that wait; asks first."`
	Reason string   `placeholder:"TEXT" help:"Why; it is kept in the audit trail."`
	Yes    bool     `help:"Do not ask before --all; what is approved is printed on stderr."`
}

// Help shows examples.
func (approvalsApproveCmd) Help() string {
	return `What is approved is exactly what is shown: these acts on these secrets, for as
long as the daemon's policy says. Where the vault has an approval passphrase, it is
asked for once and sent with each; where the policy asks for two owners, each of them
approves. What an agent says about itself is shown apart, and nobody has checked it.

Examples:

  ass approvals approve apr_abc123 --reason "Scheduled cert renewal"
  ass approvals approve apr_abc123 --passphrase-file /run/user/1000/passphrase
  ass approvals approve --all --reason "Batch approval for deployment"`
}

// Run approves requests as they were shown.
func (c *approvalsApproveCmd) Run(a *app) error {
	if c.All == (len(c.IDs) > 0) {
		return usage("which requests is not clear: give their ids, or --all", "ass approvals list")
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	d := decision{verb: "Approved", do: cl.Approve, reason: c.Reason, guarded: cl, shown: c.All && !c.Yes}
	if !c.All {
		items, err := a.find(cl, c.IDs)
		if err != nil {
			return err
		}
		if err := a.show("About to approve:", items); err != nil {
			return err
		}
		return d.run(a, items)
	}
	items, err := a.requests(cl, api.ApprovalPending)
	if err != nil {
		return err
	}
	if len(items) > 0 {
		if err := c.ask(a, items); err != nil {
			return err
		}
	}
	err = d.run(a, items)
	if len(items) >= maxListed {
		a.note("These were the newest; see what else waits with: ass approvals list")
	}
	return err
}

// ask shows what --all means and asks for a yes, in one prompt, so that both
// are seen by whoever answers. With --yes it is shown all the same, in a log if
// not on a terminal: what is in no list that somebody has seen is not approved.
func (c *approvalsApproveCmd) ask(a *app, items []api.Approval) error {
	if c.Yes {
		return a.announce("About to approve:", items)
	}
	return agreeTo(describeRequests(items), "Approve "+plural(len(items), "request")+"?", "--yes")
}

// find looks up requests by id, each once. Nothing is decided when one of them
// is not there or does not wait any more.
func (a *app) find(cl *client.Client, ids []string) ([]api.Approval, error) {
	var found []api.Approval
	for _, id := range ids {
		if slices.ContainsFunc(found, hasID(id)) {
			continue
		}
		r, err := a.waiting(cl, id)
		if err != nil {
			return nil, err
		}
		found = append(found, *r)
	}
	return found, nil
}

func hasID(id string) func(api.Approval) bool {
	return func(r api.Approval) bool { return r.ID == id }
}

// waiting looks up one request that waits. It asks for that one alone: others
// may be many, and an agent chooses how many.
func (a *app) waiting(cl *client.Client, id string) (*api.Approval, error) {
	if !isApprovalID(id) {
		return nil, noRequest("with that id")
	}
	r, err := cl.Approval(a.ctx, id)
	switch {
	case errors.Is(err, &api.Error{Code: api.CodeNotFound}):
		return nil, noRequest(id)
	case err != nil:
		return nil, err
	case r.ID != id:
		return nil, errors.New("the daemon answers with another request than the one that was asked for")
	case r.Status != api.ApprovalPending:
		return nil, api.New(api.CodeConflict, "request "+id+" does not wait any more: it is "+r.Status).
			WithHint(afterwards(*r))
	}
	return r, nil
}

func noRequest(which string) error {
	return api.New(api.CodeNotFound, "there is no request "+which).WithHint("see what waits with: ass approvals list")
}

// afterwards says what can be done about a request that was decided.
func afterwards(r api.Approval) string {
	if r.Status != api.ApprovalApproved {
		return "the agent can ask anew; see what waits with: ass approvals list"
	}
	return "to end what it has opened: ass approvals revoke " + r.ID
}
