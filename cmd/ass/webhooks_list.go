package main

import (
	"fmt"
	"strings"

	"github.com/agent-secret-store/assd/vault/api"
)

type webhooksListCmd struct{}

// Help shows examples.
func (webhooksListCmd) Help() string {
	return `Of a URL only scheme, host and port are shown: the rest may hold a token.

Examples:

  ass webhooks list
  ass webhooks list --json | jq -r '.webhooks[] | select(.state != "ok") | .last_failure'
  ass webhooks list --quiet          the names alone`
}

// Run lists the webhooks.
func (webhooksListCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	l, err := cl.Webhooks(a.ctx)
	if err != nil {
		return err
	}
	return inventory[api.Webhook]{
		items: l.Items, key: "webhooks", name: func(w api.Webhook) string { return w.Name },
		row: func(w api.Webhook) []string {
			return []string{w.Name, w.Origin, strings.Join(w.Events, ", "), webhookState(w), waiting(w)}
		},
		sheet: sheet{
			title: "Webhooks", count: plural(len(l.Items), "webhook"), whole: true,
			columns: []string{"Name", "To", "Events", "State", "Waiting"},
		},
	}.print(a)
}

// webhookState says how a webhook stands, as far as the daemon has tried it.
func webhookState(w api.Webhook) string {
	var says []string
	switch {
	case w.State == api.WebhookFailing && w.LastFailureAt != nil:
		says = append(says, "not delivered at "+moment(*w.LastFailureAt)+" UTC: "+w.LastFailure)
	case w.LastDelivered != nil:
		says = append(says, "delivered at "+moment(*w.LastDelivered)+" UTC")
	case w.LastFailureAt != nil:
		says = append(says, "refused at "+moment(*w.LastFailureAt)+" UTC: "+w.LastFailure)
	default:
		says = append(says, "not used yet")
	}
	if w.Lost > 0 && w.LostAt != nil {
		says = append(says, fmt.Sprintf("%s lost, the last at %s UTC: %s", plural(w.Lost, "event"), moment(*w.LostAt), w.LostReason))
	}
	return strings.Join(says, "; ")
}

// waiting is how much waits for a webhook, and since when.
func waiting(w api.Webhook) string {
	if w.OldestPending == nil {
		return fmt.Sprint(w.Pending)
	}
	return fmt.Sprintf("%d, since %s UTC", w.Pending, moment(*w.OldestPending))
}
