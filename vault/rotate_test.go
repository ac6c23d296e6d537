package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

func (h *house) rotate(who, p string, want api.SecretRotate) (api.SecretInfo, error) {
	h.t.Helper()
	out, err := h.v.Rotate(ctx, h.as(who), path(h.t, p), want)
	return out.SecretInfo, err
}

// to is a rotation to a value, under one of its two names.
func to(value string) api.SecretRotate { return api.SecretRotate{Value: &value} }

var noted = map[string]any{"note": "kept", "n": json.Number("1")}

// described is a write with everything that a rotation leaves as it is.
func described(w *api.SecretWrite) {
	w.SecretType, w.AccessTier, w.Metadata = "db_credential", "sensitive", noted
}

func TestRotateToAValue(t *testing.T) {
	h := newHouse(t)
	first := h.mustPut(h.owner, plain, "one", described)
	for i, want := range []api.SecretRotate{to("two"), {NewValue: ptr("three")}, to("")} {
		value := want.Value
		if value == nil {
			value = want.NewValue
		}
		at := h.last().Seq
		got, err := h.rotate(h.owner, plain, want)
		if err != nil {
			t.Fatal(err)
		}
		if got.ID != first.ID || got.Version != uint64(i)+2 || got.SecretType != "db_credential" || got.AccessTier != "sensitive" || got.RotationPending {
			t.Errorf("rotated, it is %+v", got)
		}
		if b, _ := json.Marshal(got); *value != "" && strings.Contains(string(b), *value) {
			t.Errorf("the answer holds the value: %s", b)
		}
		h.wantEvents(at, "token.create", "secret.rotate PLAIN")
		if ev := h.last(); ev.Version != got.Version || ev.Outcome != audit.OK {
			t.Errorf("its event is %+v", ev.Event)
		}
		r, _, err := h.v.Get(ctx, h.as(h.owner), policy.RequestPath{Path: path(t, plain)}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if string(r.Value.Reveal()) != *value || !reflect.DeepEqual(r.Metadata, noted) || r.SecretType != "db_credential" {
			t.Errorf("it reads as %q, %+v", r.Value.Reveal(), r.SecretInfo)
		}
	}
	for n, want := range []string{"one", "two", "three", ""} {
		if got, err := h.read(h.as(h.owner), plain, uint64(n)+1); err != nil || got != want {
			t.Errorf("version %d is %q, %v; want %q", n+1, got, err, want)
		}
	}
}

// Without a value a rotation is a wish that stays until the next write.
func TestRotateWithoutAValue(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "one", described)
	for what, write := range map[string]func() (api.SecretInfo, error){
		"a PUT":                 func() (api.SecretInfo, error) { return h.put(h.owner, plain, "next", described) },
		"a rotation to a value": func() (api.SecretInfo, error) { return h.rotate(h.owner, plain, to("next")) },
	} {
		was, at := h.info(plain), h.last().Seq
		for range 2 { // asking again is no mistake
			got, err := h.rotate(h.owner, plain, api.SecretRotate{})
			if err != nil {
				t.Fatal(err)
			}
			if !got.RotationPending || got.Version != was.Version || got.ID != was.ID {
				t.Errorf("flagged, it is %+v", got)
			}
		}
		h.wantEvents(at,
			"token.create", "secret.rotate PLAIN", "secret.rotation_pending PLAIN",
			"token.create", "secret.rotate PLAIN", "secret.rotation_pending PLAIN")
		h.reopen()
		if now := h.info(plain); !now.RotationPending || now.Version != was.Version {
			t.Errorf("flagged, it is listed as %+v", now)
		}
		r, _, err := h.v.Get(ctx, h.as(h.owner), policy.RequestPath{Path: path(t, plain)}, 0)
		if err != nil || !r.RotationPending || !reflect.DeepEqual(r.Metadata, noted) {
			t.Errorf("flagged, it reads as %+v, %v", r, err)
		}
		next, err := write()
		if err != nil || next.RotationPending || h.info(plain).RotationPending {
			t.Errorf("after %s it is %+v, %v", what, next, err)
		}
	}
	// The flag does not outlive the secret.
	if _, err := h.rotate(h.owner, plain, api.SecretRotate{}); err != nil {
		t.Fatal(err)
	}
	h.mustDelete(h.owner, plain)
	if again := h.mustPut(h.owner, plain, "again"); again.RotationPending {
		t.Errorf("made anew it is %+v", again)
	}
}

func TestRotateRefuses(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "one")
	h.mustPut(h.owner, critical, "one", tier("critical"))
	h.mustPut(h.owner, sensitive, "one", tier("sensitive"))
	h.mustPut(h.owner, "production/GONE", "one")
	h.mustDelete(h.owner, "production/GONE")
	for _, tc := range []struct {
		what string
		want api.SecretRotate
		code api.Code
	}{
		{"both values", api.SecretRotate{Value: ptr("a"), NewValue: ptr("b")}, api.CodeValidation},
		{"the same value twice", api.SecretRotate{Value: ptr("a"), NewValue: ptr("a")}, api.CodeValidation},
		{"one that is too long", to(strings.Repeat("x", api.MaxValue+1)), api.CodeTooLarge},
		{"one that is no text", to("\xff"), api.CodeValidation},
	} {
		_, err := h.rotate(h.owner, plain, tc.want)
		wantCode(t, tc.what, err, tc.code)
	}

	all := map[string]string{"an owner": h.owner}
	for _, scope := range []string{"write", "rotate", "read", "delete", "*"} {
		all["one who may "+scope] = h.agent("bot-"+strings.Trim(scope, "*"), "secrets:"+scope+":*").APIKey
	}
	const ok, denied, waits, none = api.Code(""), api.CodeScopeDenied, api.CodeApprovalRequired, api.CodeSecretNotFound
	for _, tc := range []struct {
		who                  string
		toValue, flag        api.Code
		critValue, critFlag  api.Code
		sensitive            api.Code // to a value
		goneValue, missValue api.Code
		goneFlag             api.Code
	}{
		{"an owner", ok, ok, ok, ok, ok, none, none, none},
		{"one who may write", ok, denied, waits, denied, ok, none, none, denied},
		{"one who may rotate", denied, ok, denied, waits, denied, denied, denied, none},
		{"one who may read", denied, denied, denied, denied, denied, denied, denied, denied},
		{"one who may delete", denied, denied, denied, denied, denied, denied, denied, denied},
		{"one who may *", ok, ok, waits, waits, ok, none, none, none},
	} {
		for _, act := range []struct {
			what, path string
			want       api.SecretRotate
			code       api.Code
		}{
			{"rotates to a value", plain, to("x"), tc.toValue},
			{"flags", plain, api.SecretRotate{}, tc.flag},
			{"rotates critical to a value", critical, to("x"), tc.critValue},
			{"flags critical", critical, api.SecretRotate{}, tc.critFlag},
			{"rotates sensitive to a value", sensitive, to("x"), tc.sensitive},
			{"rotates what was deleted", "production/GONE", to("x"), tc.goneValue},
			{"rotates what never was", "production/NEVER", to("x"), tc.missValue},
			{"flags what was deleted", "production/GONE", api.SecretRotate{}, tc.goneFlag},
		} {
			was := h.all()
			_, err := h.rotate(all[tc.who], act.path, act.want)
			wantCode(t, tc.who+" "+act.what, err, act.code)
			if err != nil && !reflect.DeepEqual(h.all(), was) {
				t.Errorf("%s %s: refused, and something has changed", tc.who, act.what)
			}
		}
	}
}

// TestRotateKeepsMetadataRaced: a rotation takes over the metadata of the very
// version that it follows.
func TestRotateKeepsMetadataRaced(t *testing.T) {
	h := newHouse(t)
	note := func(n uint64) func(*api.SecretWrite) {
		return func(w *api.SecretWrite) { w.Metadata = map[string]any{"n": json.Number(fmt.Sprint(n))} }
	}
	h.mustPut(h.owner, plain, "put", note(0))
	var wg sync.WaitGroup
	for n := range uint64(4) {
		wg.Go(func() {
			for range 5 {
				if _, err := h.rotate(h.owner, plain, to("rotated")); err != nil && api.CodeOf(err) != api.CodeConflict {
					t.Error(err)
				}
				if _, err := h.put(h.owner, plain, "put", note(n+1)); err != nil && api.CodeOf(err) != api.CodeConflict {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	newest := h.info(plain).Version
	var last map[string]any
	for n := newest - 9; n <= newest; n++ {
		r, _, err := h.v.Get(ctx, h.as(h.owner), policy.RequestPath{Path: path(t, plain)}, n)
		if err != nil {
			t.Fatal(err)
		}
		if last != nil && string(r.Value.Reveal()) == "rotated" && !reflect.DeepEqual(r.Metadata, last) {
			t.Errorf("version %d was rotated to the metadata %v, before it were %v", n, r.Metadata, last)
		}
		last = r.Metadata
	}
}

// TestRotateKeepsTheExpiry: whoever asks for a new value does not get more time by it,
// not even an owner.
func TestRotateKeepsTheExpiry(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:*:*")
	end := h.clock.Now().Add(10 * day)
	h.mustPut(h.owner, plain, "one", until(end))
	for name, r := range map[string]vault.Rotator{
		"a value that is given": {}, "one that is generated": {Generate: recipe(t, twelve)}, "one that is printed": {Command: printing("printed")},
	} {
		want := api.SecretRotate{}
		if r.Path = path(t, plain); name == "a value that is given" {
			want = to("given")
		} else {
			h.v.SetRotators([]vault.Rotator{r})
		}
		got, err := h.rotate(bot.APIKey, plain, want)
		if err != nil || got.ExpiresAt == nil || !got.ExpiresAt.Equal(end) {
			t.Errorf("%s has %+v, %v; want the expiry of the old one", name, got, err)
		}
	}
	h.clock.advance(10 * day)
	_, err := h.rotate(bot.APIKey, plain, to("more time"))
	wantCode(t, "an agent rotates what has expired", err, api.CodeSecretNotFound)
	got, err := h.rotate(h.owner, plain, to("no more of it"))
	if err != nil || got.ExpiresAt == nil || !got.Expired {
		t.Errorf("an owner rotates what has expired: %+v, %v", got, err)
	}
}

// TestRotateAcrossTheExpiry: a command that is still at it when the expiry comes does not
// bring the secret back.
func TestRotateAcrossTheExpiry(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:*:*")
	h.mustPut(h.owner, plain, "one", h.in(time.Hour))
	h.v.SetRotators([]vault.Rotator{{Path: path(t, plain), Command: func(context.Context, []byte) (vault.Printed, error) {
		h.clock.advance(2 * time.Hour)
		return vault.Printed{Out: []byte("two")}, nil
	}}})
	if got, err := h.rotate(bot.APIKey, plain, api.SecretRotate{}); err != nil || !got.Expired {
		t.Errorf("rotated meanwhile, it is %+v, %v", got, err)
	}
	_, err := h.read(h.as(bot.APIKey), plain, 0)
	wantCode(t, "an agent reads it", err, api.CodeSecretNotFound)
	h.mustGet(h.owner, plain, "two")
}

// TestSlowRecipes: of a value that takes long to make there is one at a time, and whoever
// asks meanwhile does not wait.
func TestSlowRecipes(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "one")
	h.v.SetRotators([]vault.Rotator{{Path: path(t, plain), Generate: recipe(t, map[string]any{"key": "rsa"})}})
	var all sync.WaitGroup
	var mu sync.Mutex
	outcome := map[api.Code]int{}
	for range 8 {
		all.Go(func() {
			_, err := h.rotate(h.owner, plain, api.SecretRotate{})
			mu.Lock()
			defer mu.Unlock()
			refused, _ := errors.AsType[*api.Error](err)
			if refused == nil {
				refused = api.New("", "")
			}
			outcome[refused.Code]++
		})
	}
	all.Wait()
	if outcome[""] == 0 || outcome[api.CodeConflict] == 0 || outcome[""]+outcome[api.CodeConflict] != 8 {
		t.Errorf("they end in %v", outcome)
	}
	if _, err := h.rotate(h.owner, plain, api.SecretRotate{}); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// printing is a command that prints a text.
func printing(text string) func(context.Context, []byte) (vault.Printed, error) {
	return func(context.Context, []byte) (vault.Printed, error) { return vault.Printed{Out: []byte(text)}, nil }
}
