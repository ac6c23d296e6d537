package conformance_test

import (
	"regexp"
	"slices"
	"testing"
)

var agentKey = regexp.MustCompile(`ask_agent_[A-Za-z0-9_-]+`)

// agentItem is an agent as --json tells it.
type agentItem struct {
	ID, Name          string
	Description       *string
	Active            bool
	APIKeyPrefix      string   `json:"api_key_prefix"`
	AllowedNamespaces []string `json:"allowed_namespaces"`
	AllowedScopes     []string `json:"allowed_scopes"`
	LastActiveAt      *string  `json:"last_active_at"`
}

// cliAgents: agents are made, listed and revoked.
func (w *world) cliAgents(t *testing.T) {
	owner := w.person(t, "agents", w.vault, w.vault.key)
	w.vault.put(t, "shop/KEY", value("in the shop"), "standard")

	key := w.cliAgentCreate(t, owner, "shop-bot", "Serves the shop")
	agent := w.person(t, "shop-bot", w.vault, key)
	agent.ass(t, "secrets", "get", "shop/KEY").ok(t)
	agent.ass(t, "secrets", "set", "shop/NEW", value("new"), "--type", "custom", "--tier", "standard").ok(t)
	agent.ass(t, "secrets", "delete", "shop/NEW", "-f").fails(t, "Permission denied.")
	agent.ass(t, "secrets", "get", "production/PLAIN").fails(t, "Permission denied.")
	agent.ass(t, "agents", "list").fails(t, "Permission denied.")

	item := w.listed(t, owner, "shop-bot")
	if !item.Active || item.ID == "" || item.Description == nil || *item.Description != "Serves the shop" || item.LastActiveAt == nil ||
		!slices.Equal(item.AllowedNamespaces, []string{"shop", "shop2"}) ||
		!slices.Equal(item.AllowedScopes, []string{"read:secrets", "write:secrets"}) ||
		item.APIKeyPrefix == "" || key[:len(item.APIKeyPrefix)] != item.APIKeyPrefix {
		t.Errorf("agents list --json: %+v", item)
	}
	owner.ass(t, "agents", "list").ok(t).shows(t, "shop-bot", item.APIKeyPrefix, "active")

	owner.sit(t, "agents", "revoke", "shop-bot").expect("Revoke agent").press("n").end().ok(t)
	agent.ass(t, "whoami").ok(t)
	owner.sit(t, "agents", "revoke", item.ID).expect("Revoke agent").press("y").end().ok(t).shows(t, "Agent revoked")
	w.audited(t, "agent.revoke", "shop-bot")
	agent.ass(t, "secrets", "get", "shop/KEY").fails(t, "Not authenticated.")

	second := w.person(t, "shop-bot2", w.vault, w.cliAgentCreate(t, owner, "shop-bot2", ""))
	second.ass(t, "whoami").ok(t)
	owner.ass(t, "agents", "revoke", "shop-bot2", "--force").ok(t)
	w.audited(t, "agent.revoke", "shop-bot2")
	second.ass(t, "whoami").fails(t, "Not authenticated.")
	owner.ass(t, "agents", "revoke", "shop-bot2", "-f").fails(t, "Not found.")
}

// cliAgentCreate answers the prompts of agents create and returns the key shown.
func (w *world) cliAgentCreate(t *testing.T, owner *person, name, description string) string {
	t.Helper()
	x := owner.sit(t, "agents", "create")
	x.expect("Agent name").press("no spaces" + enter).expect("can only contain")
	for range "no spaces" {
		x.press("\x7f")
	}
	x.press(name + enter)
	x.expect("Description").press(description + enter)
	x.expect("Allowed namespaces").press("shop, shop2" + enter)
	x.expect("Allowed scopes").press(down + space + enter) // read is chosen already; write too
	r := x.end().ok(t).shows(t, name)
	w.audited(t, "agent.create", name)
	key := agentKey.FindString(r.stdout)
	if key == "" {
		t.Fatalf("no key is shown: %s", r)
	}
	return key
}

// listed is the living agent of that name as agents list --json tells it.
func (w *world) listed(t *testing.T, owner *person, name string) agentItem {
	t.Helper()
	var list struct{ Items []agentItem }
	owner.json(t, &list, "agents", "ls")
	i := slices.IndexFunc(list.Items, func(a agentItem) bool { return a.Name == name })
	if i < 0 {
		t.Fatalf("agents list --json: there is no %s in %+v", name, list.Items)
	}
	return list.Items[i]
}
