package audit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
)

func TestCursor(t *testing.T) {
	now := time.Date(2026, 3, 14, 13, 0, 0, 0, time.UTC)
	f := audit.Filter{Namespace: "a", Actor: "b", Action: "secret", Since: now, Until: now.Add(time.Hour)}
	c := f.Cursor("t", 1<<40)
	g, err := f.From("t", c)
	if err != nil || g.Before != 1<<40 {
		t.Fatalf("before %d, %v", g.Before, err)
	}
	if g.Cursor("t", 7) != f.Cursor("t", 7) {
		t.Error("the second page has cursors of another query")
	}
	zone := f
	zone.Since = f.Since.In(time.FixedZone("", 3600))
	if _, err := zone.From("t", c); err != nil {
		t.Errorf("the same moment elsewhere: %v", err)
	}
	for name, change := range map[string]func(*audit.Filter){
		"namespace": func(f *audit.Filter) { f.Namespace = "a/b" },
		"actor":     func(f *audit.Filter) { f.Actor = "" },
		"action":    func(f *audit.Filter) { f.Action = "secret.read" },
		"since":     func(f *audit.Filter) { f.Since = f.Since.Add(time.Nanosecond) },
		"until":     func(f *audit.Filter) { f.Until = time.Time{} },
		"slid":      func(f *audit.Filter) { f.Namespace, f.Actor = "ab", "" },
	} {
		other := f
		change(&other)
		if _, err := other.From("t", c); !errors.Is(err, audit.ErrOtherCursor) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if _, err := f.From("u", c); !errors.Is(err, audit.ErrOtherCursor) {
		t.Errorf("another vault: %v", err)
	}
	for _, s := range []string{"", "3", c + "A", c[1:], c + "=", "\n" + c, c[:21] + "B", "!" + c[1:], f.Cursor("t", 0)} {
		if g, err := f.From("t", s); !errors.Is(err, audit.ErrCursor) || g.Before != 0 {
			t.Errorf("%q: before %d, %v", s, g.Before, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(audit.Filter{}.Cursor("t", 1))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if g, err := (audit.Filter{}).From("t", s); err == nil && (audit.Filter{}).Cursor("t", g.Before) != s {
			t.Errorf("%q is taken and not given", s)
		}
	})
}
