package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type approvalsCmd struct {
	List    approvalsListCmd    `cmd:"" help:"List requests that wait, or what became of others."`
	Approve approvalsApproveCmd `cmd:"" help:"Approve requests."`
	Deny    approvalsDenyCmd    `cmd:"" help:"Deny requests."`
}

// Help shows examples.
func (approvalsCmd) Help() string {
	return `Examples:

  ass approvals list
  ass approvals approve apr_abc123 --reason "Scheduled cert renewal"`
}

// approvalID is the form of a request's id; what is not like that is not
// repeated.
var approvalID = regexp.MustCompile(`^apr_[0-9A-Za-z]{1,64}$`)

// agentName is the form of an agent's name, for commands that are there to be
// copied.
var agentName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// everyStatus asks for requests of every status.
const everyStatus = "all"

var approvalStatuses = []string{
	api.ApprovalPending, api.ApprovalApproved, api.ApprovalDenied, api.ApprovalExpired, everyStatus,
}

type approvalsListCmd struct {
	Status string `placeholder:"S" default:"pending" help:"pending, approved, denied, expired or all. Default pending."`
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
		return a.json(api.Approvals{Items: items})
	case a.Quiet:
		var b strings.Builder
		for _, r := range items {
			b.WriteString(foreign(r.ID, maxName) + "\n")
		}
		return a.answer(b.String())
	}
	return a.answer(c.sheet(items).String())
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

// sheet has the lines of each request; the first names it.
func (c *approvalsListCmd) sheet(items []api.Approval) sheet {
	t := sheet{
		title: strings.ToUpper(c.Status[:1]) + c.Status[1:] + " Approvals", count: fmt.Sprintf("%d total", len(items)),
		columns: []string{"ID", "Agent", "Request", "Tier", "Source", "Expires (UTC)"},
	}
	if c.Status == everyStatus {
		t.columns = append(t.columns, "Status")
	}
	for _, r := range items {
		for i, asked := range asks(r) {
			line := []string{"", "", asked, "", "", "", ""}
			if i == 0 {
				line = []string{r.ID, r.AgentID, asked, r.AccessTier, r.Source, moment(r.ExpiresAt), r.Status}
			}
			t.rows = append(t.rows, line[:len(t.columns)])
		}
	}
	return t
}

// asks is what a request asks for, an act a line. What goes for all of them
// stands behind a single act where there is room, else on a line of its own.
func asks(r api.Approval) []string {
	var lines []string
	for _, scope := range r.RequestedScopes {
		lines = append(lines, act(scope))
	}
	all := strings.Join(terms(r), ", ")
	switch {
	case all == "":
	case len(lines) == 1 && len(lines[0])+len(all)+len(" ()") <= maxCell:
		lines[0] += " (" + all + ")"
	default:
		lines = append(lines, "("+all+")")
	}
	return lines
}

// terms are the limits of the token that a request is about, none for a key.
func terms(r api.Approval) []string {
	var all []string
	if r.TTL != nil {
		all = append(all, "token "+r.TTL.String())
	}
	if r.MaxUses != 0 {
		all = append(all, "at most "+plural(r.MaxUses, "use"))
	}
	if len(r.IPAllowlist) > 0 {
		all = append(all, "from "+strings.Join(r.IPAllowlist, ", ")+" alone")
	}
	return all
}

// act prints a scope as people say it: READ production/KEY.
func act(scope string) string {
	action, path, ok := strings.Cut(strings.TrimPrefix(scope, "secrets:"), ":")
	if !ok {
		return scope
	}
	return strings.ToUpper(action) + " " + path
}

// acts prints all that a request asks for.
func acts(r api.Approval) string {
	var all []string
	for _, scope := range r.RequestedScopes {
		all = append(all, act(scope))
	}
	return strings.Join(all, ", ")
}

type approvalsApproveCmd struct {
	IDs    []string `arg:"" optional:"" name:"id" help:"Requests, apr_..."`
	All    bool     `help:"All that wait; asks first."`
	Reason string   `placeholder:"TEXT" help:"Why; it is kept in the audit trail."`
	Yes    bool     `help:"Do not ask before --all."`
}

// Help shows examples.
func (approvalsApproveCmd) Help() string {
	return `What is approved is exactly what is shown: these acts on these secrets, for as
long as the daemon's policy says.

Examples:

  ass approvals approve apr_abc123 --reason "Scheduled cert renewal"
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
	d := decision{verb: "Approved", do: cl.Approve, reason: c.Reason}
	if !c.All {
		items, err := a.find(cl, c.IDs)
		if err != nil {
			return err
		}
		a.show("About to approve:", items)
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
	return d.run(a, items)
}

// ask shows what --all means and asks for a yes, in one prompt, so that both
// are seen by whoever answers.
func (c *approvalsApproveCmd) ask(a *app, items []api.Approval) error {
	if c.Yes {
		a.show("About to approve:", items)
		return nil
	}
	return agree("Approve "+plural(len(items), "request")+"?\n"+describeRequests(items), "--yes")
}

type approvalsDenyCmd struct {
	IDs    []string `arg:"" name:"id" help:"Requests, apr_..."`
	Reason string   `placeholder:"TEXT" help:"Why; it is kept in the audit trail, and shown to the agent when it asks how its request stands."`
}

// Help shows examples.
func (approvalsDenyCmd) Help() string {
	return `The agent learns of it, and of the reason, when it asks how its request stands: GET
/v1/approvals/agent/ID.

Examples:

  ass approvals deny apr_def456 --reason "Unexpected access"`
}

// Run denies requests.
func (c *approvalsDenyCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	items, err := a.find(cl, c.IDs)
	if err != nil {
		return err
	}
	a.show("About to deny:", items)
	d := decision{verb: "Denied", do: cl.Deny, reason: c.Reason}
	return d.run(a, items)
}

// find looks up requests by id, each once. Nothing is decided when one of them
// is not there or does not wait any more.
func (a *app) find(cl *client.Client, ids []string) ([]api.Approval, error) {
	pending, err := a.requests(cl, api.ApprovalPending)
	if err != nil {
		return nil, err
	}
	var found []api.Approval
	for _, id := range ids {
		if slices.ContainsFunc(found, hasID(id)) {
			continue
		}
		i := slices.IndexFunc(pending, hasID(id))
		if i < 0 {
			return nil, a.notPending(cl, id)
		}
		found = append(found, pending[i])
	}
	return found, nil
}

func hasID(id string) func(api.Approval) bool {
	return func(r api.Approval) bool { return r.ID == id }
}

// notPending says why a request cannot be decided: it was, or there is none.
func (a *app) notPending(cl *client.Client, id string) error {
	all, err := a.requests(cl, everyStatus)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(all, hasID(id)); i >= 0 {
		return api.New(api.CodeConflict, "request "+id+" does not wait any more: it is "+all[i].Status).
			WithHint(afterwards(all[i]))
	}
	which := "with that id"
	if approvalID.MatchString(id) {
		which = id
	}
	return api.New(api.CodeNotFound, "there is no request "+which).WithHint("see what waits with: ass approvals list")
}

// afterwards says what can be done about a request that was decided.
func afterwards(r api.Approval) string {
	if r.Status != api.ApprovalApproved {
		return "the agent can ask anew; see what waits with: ass approvals list"
	}
	name := "NAME"
	if agentName.MatchString(r.AgentID) {
		name = r.AgentID
	}
	return "an approval cannot be withdrawn in this version; revoking the agent ends it: ass agents revoke " + name
}

// show tells whoever sits at a terminal what is about to be decided.
func (a *app) show(title string, items []api.Approval) {
	if len(items) > 0 && term.IsTerminal(int(os.Stderr.Fd())) {
		a.note(title + "\n" + strings.TrimSuffix(describeRequests(items), "\n"))
	}
}

// describeRequests lists requests with all that they ask for, uncut.
func describeRequests(items []api.Approval) string {
	var b strings.Builder
	for _, r := range items {
		fmt.Fprintf(&b, "  %s: %s, %s, from %s\n", foreign(r.ID, maxName), foreign(r.AgentID, maxName),
			foreign(r.AccessTier, maxName), foreign(r.Source, maxMessage))
		for _, scope := range r.RequestedScopes {
			fmt.Fprintf(&b, "    %s\n", foreign(act(scope), maxMessage))
		}
		for _, limit := range terms(r) {
			fmt.Fprintf(&b, "    %s\n", foreign(limit, maxMessage))
		}
	}
	return b.String()
}
