package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/agent-secret-store/assd/vault/api"
)

// act prints a scope as people say it: READ production/KEY.
func act(scope string) string {
	action, path, ok := strings.Cut(strings.TrimPrefix(scope, "secrets:"), ":")
	if !ok {
		return scope
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
	case len(lines) == 1 && len(lines[0])+len(" ")+len(all) <= maxCell:
		lines[0] += " " + all
	case len(all) <= maxCell:
		lines = append(lines, all)
	default:
		lines = append(lines, limits...)
	}
	return lines
}

// describeRequests lists requests with all that they ask for.
func describeRequests(items []api.Approval) string {
	var b strings.Builder
	for _, r := range items {
		fmt.Fprintf(&b, "  %s: %s, %s, from %s\n", foreign(r.ID, uncut), foreign(r.AgentID, uncut),
			foreign(r.AccessTier, uncut), foreign(r.Source, uncut))
		b.WriteString(block(acts(r)) + block(terms(r)))
	}
	return b.String()
}

// block puts lines under the one that names a request.
func block(lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString("    " + foreign(l, uncut) + "\n")
	}
	return b.String()
}

// show tells whoever sits at a terminal what is about to be decided.
func (a *app) show(title string, items []api.Approval) error {
	if a.JSON || !term.IsTerminal(int(os.Stderr.Fd())) {
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
