package vault_test

import (
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// TestThreat14NoWayRoundATier: whatever an agent does that it may do, the secret's
// tier stays and its value, with all older ones, waits for a person.
func TestThreat14NoWayRoundATier(t *testing.T) {
	imported := func(d *desk, text string, options ...func(*api.ImportRequest)) error {
		content := "SENSITIVE=mine\n"
		want := api.ImportRequest{Namespace: "production", Content: &content}
		for _, o := range options {
			o(&want)
		}
		_, err := d.v.Import(ctx, d.as(text), want)
		return err
	}
	for name, tc := range map[string]struct {
		do   func(d *desk, text string) error
		want api.Code
	}{
		"writing it": {func(d *desk, text string) error { _, err := d.put(text, sensitive, "mine"); return err }, ""},
		"writing it as standard": {func(d *desk, text string) error {
			_, err := d.put(text, sensitive, "mine", tier("standard"))
			return err
		}, ""},
		"lowering it": {func(d *desk, text string) error {
			_, err := d.put(text, sensitive, "mine", lowerTo("standard"))
			return err
		}, api.CodeScopeDenied},
		"rotating it":              {func(d *desk, text string) error { _, err := d.rotate(text, sensitive, to("mine")); return err }, ""},
		"flagging it":              {func(d *desk, text string) error { _, err := d.rotate(text, sensitive, api.SecretRotate{}); return err }, ""},
		"importing it":             {func(d *desk, text string) error { return imported(d, text) }, ""},
		"importing it as standard": {func(d *desk, text string) error { return imported(d, text, ofTier("standard")) }, ""},
		"deleting it, and writing it anew": {func(d *desk, text string) error {
			d.mustDelete(text, sensitive)
			_, err := d.put(text, sensitive, "mine", tier("standard"))
			return err
		}, ""},
		"deleting it, and importing it anew": {func(d *desk, text string) error {
			d.mustDelete(text, sensitive)
			return imported(d, text)
		}, ""},
		"raising it, and writing it back": {func(d *desk, text string) error {
			d.mustPut(text, sensitive, "mine", tier("critical"))
			_, err := d.put(text, sensitive, "mine", tier("sensitive"))
			return err
		}, api.CodeApprovalRequired},
		"writing a critical one": {func(d *desk, text string) error {
			_, err := d.put(text, critical, "mine", tier("standard"))
			return err
		}, api.CodeApprovalRequired},
		"deleting a critical one": {func(d *desk, text string) error { return d.delete(text, critical) }, api.CodeApprovalRequired},
	} {
		t.Run(name, func(t *testing.T) {
			for _, kind := range []string{"key", "token"} {
				d := newDesk(t)
				text := d.mia.APIKey
				if kind == "token" {
					text = d.token(text, "secrets:*:*").Token
				}
				was := d.all()
				wantCode(t, name+" with a "+kind, tc.do(d, text), tc.want)
				for p, rank := range map[string][]string{sensitive: {"sensitive", "critical"}, critical: {"critical"}} {
					if now, ok := d.all()[p]; ok && now.AccessTier != rank[0] && now.AccessTier != rank[len(rank)-1] {
						t.Errorf("%s is %s, it was %s", p, now.AccessTier, was[p].AccessTier)
					}
					for n := range uint64(4) {
						if _, err := d.read(d.as(text), p, n); err == nil {
							t.Errorf("version %d of %s is read", n, p)
						}
					}
				}
			}
		})
	}
}

// TestThreat14RaisedTiers: a raised tier holds for every version, whoever raises it
// in whatever way, and for tokens from before.
func TestThreat14RaisedTiers(t *testing.T) {
	content := "PLAIN=raised\n"
	for name, raise := range map[string]func(d *desk) error{
		"an owner writes": func(d *desk) error { _, err := d.put(d.owner, plain, "raised", tier("sensitive")); return err },
		"an agent writes": func(d *desk) error { _, err := d.put(d.max.APIKey, plain, "raised", tier("critical")); return err },
		"an import": func(d *desk) error {
			_, err := d.v.Import(ctx, d.as(d.owner), api.ImportRequest{Namespace: "production", Content: &content, AccessTier: "sensitive"})
			return err
		},
		"deleted, and made anew": func(d *desk) error {
			d.mustDelete(d.owner, plain)
			_, err := d.put(d.owner, plain, "raised", tier("sensitive"))
			return err
		},
		"raised, deleted, made anew": func(d *desk) error {
			d.mustPut(d.owner, plain, "x", tier("sensitive"))
			d.mustDelete(d.owner, plain)
			_, err := d.put(d.owner, plain, "raised")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.mustPut(d.owner, plain, "second")
			exact, wild := d.token(d.mia.APIKey, "secrets:read:"+plain).Token, d.token(d.mia.APIKey, "secrets:read:*").Token
			d.mustGet(exact, plain, "second")
			if err := raise(d); err != nil {
				t.Fatal(err)
			}
			newest := d.all()[plain].Version
			for _, text := range []string{exact, wild, d.mia.APIKey, d.max.APIKey} {
				for n := range newest + 1 {
					_, err := d.read(d.as(text), plain, n)
					wantCode(t, "a read", err, api.CodeApprovalRequired)
				}
			}
			d.mustGet(d.owner, plain, "raised")
		})
	}
}
