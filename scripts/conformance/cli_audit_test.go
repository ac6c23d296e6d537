package conformance_test

import (
	"testing"
)

// cliAudit: the trail as the CLI shows it, once and as it grows.
func (w *world) cliAudit(t *testing.T) {
	owner := w.person(t, "audit", w.vault, w.vault.key)
	var page struct {
		Events []struct {
			ID           string
			EventType    string  `json:"event_type"`
			ActorID      string  `json:"actor_id"`
			ActorType    string  `json:"actor_type"`
			ResourceType string  `json:"resource_type"`
			ResourceID   *string `json:"resource_id"`
			IPAddress    *string `json:"ip_address"`
			CreatedAt    string  `json:"created_at"`
		}
		Total, Page, Limit *int
	}
	w.vault.put(t, "watched/KEY", value("watched"), "standard")
	owner.json(t, &page, "audit", "--limit", "3")
	if len(page.Events) != 3 || page.Total == nil || *page.Total < 100 || page.Page == nil || *page.Page != 1 || page.Limit == nil || *page.Limit != 3 {
		t.Fatalf("audit --limit 3 --json: %+v", page)
	}
	for _, e := range page.Events {
		if e.ID == "" || e.EventType == "" || e.ActorID == "" || e.ActorType == "" || e.ResourceType == "" || e.CreatedAt == "" {
			t.Errorf("audit --json: %+v", e)
		}
	}
	e := page.Events[0]
	if e.EventType != "secret.write" { // refusals from before are counted into one a minute, which may be this one
		e = page.Events[1]
	}
	if e.EventType != "secret.write" || e.ResourceID == nil || *e.ResourceID != "watched/KEY" || e.IPAddress == nil || *e.IPAddress != "127.0.0.1" {
		t.Errorf("the newest event: %+v, resource %v, address %v", e, deref(e.ResourceID), deref(e.IPAddress))
	}
	owner.json(t, &page, "audit")
	if len(page.Events) != 25 {
		t.Errorf("audit --json has %d events", len(page.Events))
	}
	owner.ass(t, "audit", "-l", "5").ok(t).shows(t, "secret.write", "s ago")

	x := owner.sit(t, "audit", "--tail").expect("Watching for new events")
	w.vault.put(t, "watched/LIVE", value("meanwhile"), "standard")
	x.expect("watched/LIVE").press(ctrlC).end().ok(t).shows(t, "Stopped.")

	agent := w.person(t, "audit-agent", w.vault, w.vault.agent(t, "spy", []string{"watched"}, nil))
	agent.ass(t, "audit").fails(t, "Permission denied.")
}

func deref(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}
