package conformance_test

import (
	"path"
	"testing"
)

// event is what the tests ask of one in the trail.
type event struct {
	ID, Action, Namespace, Resource string
	Actor                           string `json:"agent_id"`
}

// object is what the event is about: a path, or a name or id.
func (e event) object() string { return path.Join(e.Namespace, e.Resource) }

// trail returns the newest events, newest first.
func (d *daemon) trail(t *testing.T, limit string) []event {
	t.Helper()
	var page struct{ Events []event }
	if status := d.call(t, "GET", "/v1/audit?limit="+limit, d.key, nil, &page); status != 200 {
		t.Fatalf("reading the trail: status %d", status)
	}
	return page.Events
}

// audited fails the test unless the trail has an event of this act that no
// earlier call has taken. An empty object is any.
func (w *world) audited(t *testing.T, action, object string) {
	t.Helper()
	for _, e := range w.vault.trail(t, "1000") {
		if !w.taken[e.ID] && e.Action == action && (object == "" || e.object() == object) {
			w.taken[e.ID] = true
			return
		}
	}
	t.Errorf("the trail has no new event %s of %q", action, object)
}
