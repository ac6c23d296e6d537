package vault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/generate"
)

// recipe is one as it stands in a file.
func recipe(t tb, table map[string]any) *generate.Recipe {
	t.Helper()
	r, err := generate.Parse(table)
	if err != nil {
		t.Fatal(err)
	}
	return &r
}

var twelve = map[string]any{"length": int64(12), "charset": "digits"}

// program is a rotator's command, of this test.
type program func(input map[string]any) (out, errs string, err error)

// by makes rotators of p by a command.
func (h *house) by(p string, current bool, c program) vault.Rotator {
	return vault.Rotator{Path: path(h.t, p), Current: current, Command: func(_ context.Context, in []byte) (vault.Printed, error) {
		var input map[string]any
		if err := json.Unmarshal(in, &input); err != nil {
			return vault.Printed{}, err
		}
		out, errs, err := c(input)
		return vault.Printed{Out: []byte(out), Err: []byte(errs)}, err
	}}
}

func prints(s string) program {
	return func(map[string]any) (string, string, error) { return s, "", nil }
}

func (h *house) turn(who, p string) (api.SecretRotation, error) {
	h.t.Helper()
	return h.v.Rotate(ctx, h.as(who), path(h.t, p), api.SecretRotate{})
}

// A recipe makes the value in one transaction of the caller, who needs the scope to
// rotate and no more.
func TestRotateByRecipe(t *testing.T) {
	h := newHouse(t)
	first := h.mustPut(h.owner, plain, "one", described)
	h.v.SetRotators([]vault.Rotator{{Path: path(t, plain), Generate: recipe(t, twelve)}})
	bot := h.agent("bot", "secrets:rotate:*").APIKey
	at := h.last().Seq
	got, err := h.turn(h.owner, plain)
	if err != nil || got.Status != api.RotationStored || got.ID != first.ID || got.Version != 2 || got.SecretType != "db_credential" || got.AccessTier != "sensitive" {
		t.Fatalf("%+v, %v", got, err)
	}
	h.wantEvents(at, "token.create", "secret.rotate PLAIN")
	if ev := h.last(); ev.Version != 2 || ev.Actor.Name != "ada" || ev.Reason == "" {
		t.Errorf("%+v", ev.Event)
	}
	if _, err := h.turn(bot, plain); err != nil {
		t.Fatal(err)
	}
	_, err = h.rotate(bot, plain, to("x"))
	wantCode(t, "a value of its own", err, api.CodeScopeDenied)
	value, err := h.get(h.owner, plain)
	if err != nil || len(value) != 12 || strings.Trim(value, "0123456789") != "" {
		t.Errorf("it is %q, %v", value, err)
	}
	if again, _ := h.read(h.as(h.owner), plain, 2); again == value || len(again) != 12 {
		t.Errorf("version 2 is %q and version 3 %q", again, value)
	}
	for who, code := range map[string]api.Code{
		h.agent("reader", "secrets:read:*").APIKey:              api.CodeScopeDenied,
		h.agent("writer", "secrets:write:*").APIKey:             api.CodeScopeDenied,
		h.agent("elsewhere", "secrets:rotate:staging/*").APIKey: api.CodeScopeDenied,
		"ask_live_nobody": api.CodeUnauthorized,
	} {
		_, err := h.turn(who, plain)
		wantCode(t, who, err, code)
	}
	h.mustDelete(h.owner, plain)
	_, err = h.turn(h.owner, plain)
	wantCode(t, "one that was deleted", err, api.CodeSecretNotFound)
}

// TestRotateByRecipeCritical: what is critical waits for a person, and what they
// approve is good once.
func TestRotateByRecipeCritical(t *testing.T) {
	d := newDesk(t)
	d.v.SetRotators([]vault.Rotator{{Path: path(t, critical), Generate: recipe(t, twelve)}})
	_, err := d.turn(d.mia.APIKey, critical)
	wantCode(t, "without an approval", err, api.CodeApprovalRequired)
	d.mustApprove(d.asked("a rotation", err))
	if _, err := d.turn(d.mia.APIKey, critical); err != nil {
		t.Errorf("with one: %v", err)
	}
	_, err = d.turn(d.mia.APIKey, critical)
	wantCode(t, "again", err, api.CodeApprovalRequired)
}

// TestRotateByCommand: the caller's act, then the daemon's, under one request.
func TestRotateByCommand(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "one", described)
	var seen map[string]any
	h.v.SetRotators([]vault.Rotator{h.by(plain, false, func(in map[string]any) (string, string, error) {
		seen = in
		return "two\n\n", "", nil
	})})
	if _, err := h.rotate(h.owner, plain, api.SecretRotate{}); err != nil {
		t.Fatal(err)
	}
	at := h.last().Seq
	req := h.as(h.owner)
	got, err := h.v.Rotate(ctx, req, path(t, plain), api.SecretRotate{})
	if err != nil || got.Status != api.RotationStored || got.Version != 3 || got.SecretType != "db_credential" || got.AccessTier != "sensitive" {
		t.Fatalf("%+v, %v", got, err)
	}
	if want := map[string]any{"path": plain, "namespace": "production", "key": "PLAIN", "version": 2.0, "secret_type": "db_credential"}; !reflect.DeepEqual(seen, want) {
		t.Errorf("the command reads %v, want %v", seen, want)
	}
	h.wantEvents(at, "token.create", "secret.rotation_start PLAIN", "secret.rotate PLAIN")
	events := h.trail(audit.Filter{})
	began, stored := events[len(events)-2], events[len(events)-1]
	if began.Actor.Name != "ada" || began.Version != 2 || stored.Actor.Kind != "daemon" || stored.Version != 3 ||
		began.RequestID != req.RequestID || stored.RequestID != req.RequestID || stored.Source != nil {
		t.Errorf("%+v\n%+v", began.Event, stored.Event)
	}
	h.mustGet(h.owner, plain, "two\n") // one newline is dropped
	r, _, err := h.v.Get(ctx, h.as(h.owner), policy.RequestPath{Path: path(t, plain)}, 0)
	if err != nil || !reflect.DeepEqual(r.Metadata, noted) {
		t.Errorf("its metadata is %v, %v", r, err)
	}
}

// TestRotateCurrent: the current value goes out with a read event of its own.
func TestRotateCurrent(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "the \"first\" <one>")
	var seen any
	h.v.SetRotators([]vault.Rotator{h.by(plain, true, func(in map[string]any) (string, string, error) {
		seen = in["current"]
		return "two", "", nil
	})})
	at := h.last().Seq
	if _, err := h.turn(h.owner, plain); err != nil || seen != "the \"first\" <one>" {
		t.Errorf("%v; the command reads %v", err, seen)
	}
	h.wantEvents(at, "token.create", "secret.rotation_start PLAIN", "secret.read PLAIN", "secret.rotate PLAIN")
	events := h.trail(audit.Filter{Action: "secret.read"})
	if ev := events[len(events)-1]; ev.Actor.Kind != "daemon" || ev.Version != 1 || ev.Reason == "" {
		t.Errorf("%+v", ev.Event)
	}
}

// TestRotateSealedToAPerson: what only a person's passphrase opens is not handed to a
// command; without that it goes, and what would be lost is said before it begins.
func TestRotateSealedToAPerson(t *testing.T) {
	h := newKeyedHouse(t)
	h.mustPut(h.owner, sensitive, "one", tier("sensitive"))
	ran := 0
	count := func(map[string]any) (string, string, error) { ran++; return "two", "", nil }
	h.v.SetRotators([]vault.Rotator{h.by(sensitive, true, count)})
	at := h.last().Seq
	_, err := h.turn(h.owner, sensitive)
	wantCode(t, "with the current value", err, api.CodeConflict)
	if ran != 0 || h.last().Seq != at {
		t.Errorf("it ran %d times", ran)
	}
	h.v.SetRotators([]vault.Rotator{h.by(sensitive, false, count)})
	if got, err := h.turn(h.owner, sensitive); err != nil || got.AccessTier != "sensitive" || ran != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	h.wantProtected(sensitive, "two")
	h.mustPut(h.owner, sensitive, "three", func(w *api.SecretWrite) { w.Metadata = noted })
	_, err = h.turn(h.owner, sensitive)
	wantCode(t, "with metadata", err, api.CodeConflict)
	if ran != 1 {
		t.Error("it ran, and its value was lost")
	}
	h.wantProtected(sensitive, "three")
}

// TestRotateFails: the old version stays current, the event and the answer say why, and
// nothing says what was printed.
func TestRotateFails(t *testing.T) {
	h := newHouse(t)
	var logged bytes.Buffer
	var mu sync.Mutex
	h.close()
	h.cfg.Log = hclog.New(&hclog.LoggerOptions{Output: &logged, Mutex: &mu})
	h.open()
	h.mustPut(h.owner, plain, "current-value")
	for name, tc := range map[string]struct {
		out  string
		err  error
		want string
	}{
		"an exit":    {"printed-part", errors.New("the command exited with status 3"), "exited with status 3"},
		"nothing":    {"", nil, "printed nothing"},
		"a newline":  {"\n", nil, "printed nothing"},
		"no text":    {"printed-part\xff", nil, "not UTF-8"},
		"too much":   {strings.Repeat("x", api.MaxValue+1), nil, "more than 1 MiB"},
		"a bad word": {"", errors.New("the command \x1b[31m said " + strings.Repeat("é", 2000)), "the command ?[31m said é"},
	} {
		t.Run(name, func(t *testing.T) {
			h.v.SetRotators([]vault.Rotator{h.by(plain, true, func(map[string]any) (string, string, error) {
				return tc.out, "I print " + tc.out + " for current-value\n", tc.err
			})})
			at := h.last().Seq
			_, err := h.turn(h.owner, plain)
			wantCode(t, name, err, api.CodeConflict)
			h.wantEvents(at, "token.create", "secret.rotation_start PLAIN", "secret.read PLAIN", "secret.rotation_failed PLAIN")
			ev := h.last()
			if ev.Outcome != audit.Failed || !strings.Contains(ev.Reason, tc.want) || len(ev.Reason) > api.MaxReason || ev.Version != 1 || ev.Actor.Kind != "daemon" {
				t.Errorf("%+v", ev.Event)
			}
			if strings.Contains(fmt.Sprint(err, ev.Event), "printed-part") {
				t.Errorf("it says what was printed: %v", err)
			}
			me, err := h.v.Me(ctx, h.as(h.owner))
			if f := me.Protection.FailedRotations; err != nil || len(f) != 1 || f[0].Key != "PLAIN" || f[0].Problem == "" {
				t.Errorf("status: %+v, %v", f, err)
			}
		})
	}
	h.mustGet(h.owner, plain, "current-value")
	h.v.SetRotators([]vault.Rotator{h.by(plain, false, prints("two"))})
	if _, err := h.turn(h.owner, plain); err != nil {
		t.Error(err)
	}
	if me, err := h.v.Me(ctx, h.as(h.owner)); err != nil || me.Protection.FailedRotations != nil {
		t.Errorf("status: %+v, %v", me.Protection, err)
	}
	mu.Lock()
	defer mu.Unlock()
	text := logged.String()
	if strings.Contains(text, "current-value") || strings.Contains(text, "printed-part") || !strings.Contains(text, "I print [REDACTED] for [REDACTED]") {
		t.Errorf("the log: %s", text)
	}
}

// TestRotateMeanwhile: what happens while the command runs counts.
func TestRotateMeanwhile(t *testing.T) {
	for name, tc := range map[string]struct {
		do    func(h *house)
		code  api.Code
		holds string // afterwards; "": nothing is there
		says  string
	}{
		"a write": {func(h *house) { h.mustPut(h.owner, plain, "written") }, "", "printed", ""},
		"another": {func(h *house) {
			_, err := h.turn(h.owner, plain)
			wantCode(h.t, "a second rotation", err, api.CodeConflict)
		}, "", "printed", ""},
		"a new value by hand": {func(h *house) {
			if _, err := h.rotate(h.owner, plain, to("by hand")); err != nil {
				h.t.Error(err)
			}
		}, "", "printed", ""},
		"a deletion":              {func(h *house) { h.mustDelete(h.owner, plain) }, api.CodeConflict, "", "deleted meanwhile"},
		"a deletion, and another": {func(h *house) { h.mustDelete(h.owner, plain); h.mustPut(h.owner, plain, "new") }, api.CodeConflict, "new", "deleted meanwhile"},
		"a lockdown": {func(h *house) {
			if _, err := h.v.Lockdown(ctx, h.as(h.owner), api.LockdownRequest{}); err != nil {
				h.t.Error(err)
			}
		}, api.CodeConflict, "one", "locked down meanwhile"},
		"a raised tier":     {func(h *house) { h.mustPut(h.owner, plain, "raised", tier("critical")) }, "", "printed", ""},
		"other rotators":    {func(h *house) { h.v.SetRotators(nil) }, "", "printed", ""},
		"its agent revoked": {func(h *house) { h.revokeAgent("bot") }, "", "printed", ""}, // it was allowed to when it asked
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.mustPut(h.owner, plain, "one")
			bot := h.agent("bot", "secrets:rotate:*").APIKey
			h.v.SetRotators([]vault.Rotator{h.by(plain, false, func(map[string]any) (string, string, error) {
				tc.do(h)
				return "printed", "", nil
			})})
			_, err := h.turn(bot, plain)
			wantCode(t, name, err, tc.code)
			if tc.says != "" && !strings.Contains(h.last().Reason, tc.says) {
				t.Errorf("the event says %+v", h.last().Event)
			}
			if _, err := h.v.Lift(ctx, h.as(h.owner), api.LiftRequest{}); err != nil && api.CodeOf(err) != api.CodeConflict {
				t.Fatal(err)
			}
			got, err := h.get(h.owner, plain)
			if tc.holds == "" {
				wantCode(t, "a read", err, api.CodeSecretNotFound)
			} else if err != nil || got != tc.holds {
				t.Errorf("it holds %q, %v; want %q", got, err, tc.holds)
			}
		})
	}
}

// TestRotateLockedDown: nothing begins.
func TestRotateLockedDown(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "one")
	h.v.SetRotators([]vault.Rotator{h.by(plain, false, func(map[string]any) (string, string, error) {
		t.Error("it runs")
		return "two", "", nil
	})})
	if _, err := h.v.Lockdown(ctx, h.as(h.owner), api.LockdownRequest{}); err != nil {
		t.Fatal(err)
	}
	_, err := h.turn(h.owner, plain)
	wantCode(t, "in a lockdown", err, api.CodeLockedDown)
}

// TestRotateClosing: a command that runs while the vault is closed is ended, and the
// trail says so.
func TestRotateClosing(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "one")
	begun, over := make(chan struct{}), make(chan error)
	h.v.SetRotators([]vault.Rotator{{Path: path(t, plain), Command: func(ctx context.Context, _ []byte) (vault.Printed, error) {
		close(begun)
		<-ctx.Done()
		return vault.Printed{Out: []byte("two")}, ctx.Err()
	}}})
	go func() { _, err := h.turn(h.owner, plain); over <- err }()
	<-begun
	h.close()
	wantCode(t, "the one who waits", <-over, api.CodeConflict)
	h.open()
	if ev := h.last(); ev.Action != audit.SecretRotationFailed || ev.Reason != "assd was stopped while the command ran" {
		t.Errorf("%+v", ev.Event)
	}
	h.mustGet(h.owner, plain, "one")
}

// TestRotateNobodyWaits: it goes on without who asked for it.
func TestRotateNobodyWaits(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "one")
	asked, cancel := context.WithCancel(ctx)
	h.v.SetRotators([]vault.Rotator{h.by(plain, false, func(map[string]any) (string, string, error) {
		cancel()
		return "two", "", nil
	})})
	_, _ = h.v.Rotate(asked, h.as(h.owner), path(t, plain), api.SecretRotate{})
	eventually(t, "it is stored", func() bool { return h.info(plain).Version == 2 })
	h.mustGet(h.owner, plain, "two")
}

// TestRotateSlowKeyIsNotMade for who may not have it made.
func TestRotateSlowKeyIsNotMade(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "one")
	h.v.SetRotators([]vault.Rotator{{Path: path(t, plain), Generate: recipe(t, map[string]any{"key": "rsa", "bits": int64(4096)})}})
	reader := h.agent("reader", "secrets:read:*").APIKey
	allocs := testing.AllocsPerRun(3, func() {
		_, err := h.turn(reader, plain)
		wantCode(t, "a reader", err, api.CodeScopeDenied)
	})
	if allocs > 5000 { // making one takes many more
		t.Errorf("%v allocations for a refusal", allocs)
	}
}
