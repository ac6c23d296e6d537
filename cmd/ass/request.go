package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/agent-secret-store/assd/vault/api"
)

// ownersActs are the acts of owners that need a second one, as people say them.
var ownersActs = map[string]string{
	"owner.create": "MAKE OWNER", "owner.revoke": "REVOKE OWNER", "policy.accept": "ACCEPT THE POLICY WITH DIGEST",
}

// act prints a scope as people say it: READ production/KEY.
func act(scope string) string {
	action, path, ok := strings.Cut(strings.TrimPrefix(scope, "secrets:"), ":")
	if !ok {
		return scope
	}
	if words, ok := ownersActs[action]; ok {
		return words + " " + path
	}
	return strings.ToUpper(action) + " " + path
}

// acts prints all that a request asks for, an act each.
func acts(r api.Approval) []string {
	var all []string
	for _, scope := range r.RequestedScopes {
		all = append(all, act(scope))
	}
	return all
}

// terms are the limits of the token that a request is about, none for a key.
func terms(r api.Approval) []string {
	var all []string
	if r.TTL != nil {
		all = append(all, "token "+r.TTL.String())
	}
	if r.MaxUses != 0 {
		all = append(all, "at most "+plural(r.MaxUses, "use")+" in all")
	}
	from := "only from "
	for _, address := range r.IPAllowlist {
		all = append(all, from+address)
		from = "or from "
	}
	return all
}

// asks is what a request asks for, an act a line. What goes for all of them
// stands behind a single act where there is room, else on lines of its own.
func asks(r api.Approval) []string {
	lines, limits := acts(r), terms(r)
	all := "(" + strings.Join(limits, ", ") + ")"
	switch {
	case len(limits) == 0:
	case len(lines) == 1 && len(lines[0])+len(" ")+len(all) <= besideAct:
		lines[0] += " " + all
	case len(all) <= maxCell:
		lines = append(lines, all)
	default:
		lines = append(lines, limits...)
	}
	return lines
}

// besideAct is how long an act may be with its limits behind it: the usual table of
// requests is then 100 columns wide at most.
const besideAct = 36

// circumstances are what the daemon knows about a request beside what it asks for,
// and, marked as such, what a program says about itself.
func circumstances(r api.Approval) []string {
	var all []string
	if r.Because != "" {
		all = append(all, "because: "+foreign(r.Because, maxMessage))
	}
	if r.OpensFor != nil {
		all = append(all, "approved, it is open for "+r.OpensFor.String()+", whatever the token's own time")
	}
	if r.ApprovalsNeeded > 1 {
		all = append(all, "approvals: "+votes(r))
	}
	for i, p := range r.Process[:min(len(r.Process), maxProcesses)] {
		who := "its process says it is "
		if i > 0 {
			who = "started by what says it is "
		}
		all = append(all, who+process(p))
	}
	return all
}

// maxProcesses is how many of a process and its parents are shown.
const maxProcesses = 4

// process prints a hint at a process.
func process(p api.Process) string {
	s := quoted(p.Name, maxName) + fmt.Sprintf(" (pid %d", p.PID)
	if p.Exe != "" {
		s += ", " + quoted(p.Exe, maxName)
	}
	return s + ")"
}

// votes says how many owners have agreed, of how many that must.
func votes(r api.Approval) string {
	s := fmt.Sprintf("%d of %d", len(r.ApprovedBy), r.ApprovalsNeeded)
	if len(r.ApprovedBy) > 0 {
		s += ", by " + foreign(strings.Join(r.ApprovedBy, ", "), maxMessage)
	}
	return s
}

// claim is what the asker says itself, which nobody has checked: under a label, and
// quoted, so that it is not taken for anything else.
func claim(r api.Approval) []string {
	if r.ClaimedReason == nil || *r.ClaimedReason == "" {
		return nil
	}
	who := "agent"
	if r.RequesterKind == api.KindOwner {
		who = api.KindOwner
	}
	return append([]string{who + " says (unchecked):"}, strings.Split(foldedAs(quoted(*r.ClaimedReason, api.MaxClaim+1), maxCell), "\n")...)
}

// describeRequests lists requests with all that they ask for.
func describeRequests(items []api.Approval) string {
	var b strings.Builder
	for _, r := range items {
		fmt.Fprintf(&b, "  %s: %s, %s, from %s\n", foreign(r.ID, uncut), foreign(r.AgentID, uncut),
			foreign(r.AccessTier, uncut), foreign(r.Source, uncut))
		b.WriteString(block(acts(r)) + block(terms(r)) + details(r))
	}
	return b.String()
}

// details are the circumstances of a request, and apart from them its claim.
func details(r api.Approval) string {
	return block(circumstances(r)) + block(claim(r))
}

// block puts lines under the one that names a request.
func block(lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString("    " + foreign(l, uncut) + "\n")
	}
	return b.String()
}

// seesStderr reports whether a person sees what is written there.
func (a *app) seesStderr() bool {
	return !a.JSON && !a.Quiet && isTerminal(os.Stderr)
}

// show tells whoever sits at a terminal what is about to be decided.
func (a *app) show(title string, items []api.Approval) error {
	if !a.seesStderr() {
		return nil
	}
	return a.announce(title, items)
}

// announce says on stderr what is about to be decided, unless only answers are
// asked for; as JSON when errors are JSON too.
func (a *app) announce(title string, items []api.Approval) error {
	if a.Quiet || len(items) == 0 {
		return nil
	}
	text := title + "\n" + describeRequests(items)
	if a.JSON {
		var err error
		if text, err = encode(map[string]any{"about_to_approve": items}, ""); err != nil {
			return err
		}
	}
	if _, err := os.Stderr.WriteString(text); err != nil {
		return fmt.Errorf("showing what is about to be decided: %w", err)
	}
	return nil
}
