package vault_test

import (
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// hold offers a policy that has to wait for an owner.
func (h *house) hold(text string) (digest string) {
	h.t.Helper()
	changed, err := h.v.OfferPolicy(ctx, "/etc/assd/policy.toml", []byte(text), nil)
	if changed || err != vault.ErrHeld {
		h.t.Fatalf("offering a policy: %v, %v; want it held", changed, err)
	}
	f := h.policyFile()
	if f.State != api.FileHeld || f.HeldText != text {
		h.t.Fatalf("held, the file is %+v", f)
	}
	return f.HeldDigest
}

// policyFile is how policy.toml stands.
func (h *house) policyFile() api.OperatorFile {
	h.t.Helper()
	files, err := h.v.Files(ctx, h.as(h.owner))
	if err != nil || len(files) != 2 || files[0].Name != api.PolicyFile || files[1].Name != api.ConfigFile {
		h.t.Fatalf("the files are %+v, %v", files, err)
	}
	return files[0]
}

// grave are the acts that need a second owner where a tier asks for two.
var grave = []struct {
	name   string
	scope  string // begins that of the request
	denied audit.Action
	act    func(d *desk, key string) error
}{
	{"making an owner", "owner.create:new", audit.OwnerCreate, func(d *desk, key string) error {
		_, err := d.v.CreateOwner(ctx, d.as(key), api.OwnerCreate{Name: "new"})
		return err
	}},
	{"revoking an owner", "owner.revoke:cyd", audit.OwnerRevoke, func(d *desk, key string) error {
		return d.v.RevokeOwner(ctx, d.as(key), "cyd", api.OwnerRevoke{})
	}},
	{"a policy that asks for fewer", "policy.accept:sha256:", audit.PolicyReload, func(d *desk, key string) error {
		f := d.policyFile()
		_, err := d.v.AcceptFile(ctx, d.as(key), api.PolicyAccept{Name: api.PolicyFile, Digest: f.HeldDigest})
		return err
	}},
}

// TestThreat18TwoOwners: where a tier asks for two, what would undo that needs two
// as well, and nobody is both of them.
func TestThreat18TwoOwners(t *testing.T) {
	for _, tc := range grave {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t)
			bob, cyd := d.another("bob"), d.another("cyd")
			d.accept("[tiers.critical]\napprovals = 2\n")
			d.hold("[tiers.critical]\napprovals = 1\n")
			at := d.last().Seq
			id := d.asked("alone", tc.act(d, d.owner))
			d.wantEvents(at, "approval.request", string(tc.denied.Denied()))
			got := d.request(id)
			if got.RequesterKind != api.KindOwner || got.AgentID != "ada" || got.ApprovalsNeeded != 1 || len(got.RequestedScopes) != 1 ||
				!strings.HasPrefix(got.RequestedScopes[0], tc.scope) || got.Because == "" {
				t.Errorf("it is %+v", got)
			}
			if again := d.asked("alone again", tc.act(d, d.owner)); again != id {
				t.Errorf("asked again it is %s, it was %s", again, id)
			}
			theirs := d.asked("another owner alone", tc.act(d, bob))
			if theirs == id {
				t.Error("it is the same request for another owner")
			}
			_, err := d.approve(id)
			wantCode(t, "approving one's own", err, api.CodeScopeDenied)
			_, err = d.approveAs(d.mia.APIKey, id)
			wantCode(t, "an agent approving it", err, api.CodeScopeDenied)
			d.asked("not approved by that", tc.act(d, d.owner))
			if _, err := d.approveAs(bob, id); err != nil {
				t.Fatal(err)
			}
			d.asked("another owner, for whom it was not approved", tc.act(d, cyd))
			if err := tc.act(d, d.owner); err != nil {
				t.Fatalf("approved: %v", err)
			}
			if n := len(d.keys("grants")); n != 0 {
				t.Errorf("%d grants are left", n)
			}
			if tc.denied == audit.PolicyReload {
				return
			}
			if err := tc.act(d, d.owner); api.CodeOf(err) != api.CodeConflict && api.CodeOf(err) != api.CodeNotFound {
				t.Errorf("once more: %v", err)
			}
		})
		t.Run(tc.name+", denied", func(t *testing.T) {
			d := newDesk(t)
			bob := d.another("bob")
			d.another("cyd")
			d.accept("[tiers.sensitive]\napprovals = 2\n")
			d.hold("")
			id := d.asked("alone", tc.act(d, d.owner))
			if _, err := d.v.Deny(ctx, d.as(bob), id, api.ApprovalDecision{}); err != nil {
				t.Fatal(err)
			}
			if got := d.cooling("denied", tc.act(d, d.owner), id); got != time.Minute {
				t.Errorf("it is refused for %v", got)
			}
			d.clock.advance(time.Minute)
			again := d.asked("a minute later", tc.act(d, d.owner))
			_, err := d.deny(again)
			wantCode(t, "taking back one's own", err, "")
		})
		t.Run(tc.name+", where one is enough", func(t *testing.T) {
			d := newDesk(t)
			d.another("cyd")
			if tc.denied == audit.PolicyReload { // then no file waits for anyone
				d.accept("[tiers.critical]\napprovals = 1\n")
				d.accept("")
				return
			}
			if err := tc.act(d, d.owner); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestThreat18TheAskerGoes: what a revoked owner has asked for is not approved any
// more.
func TestThreat18TheAskerGoes(t *testing.T) {
	d := newDesk(t)
	bob := d.another("bob")
	d.another("cyd")
	d.accept(twoOwners)
	_, err := d.v.CreateOwner(ctx, d.as(bob), api.OwnerCreate{Name: "new"})
	open := d.asked("bob makes an owner", err)
	revoke := func() error { return d.v.RevokeOwner(ctx, d.as(d.owner), "bob", api.OwnerRevoke{}) }
	if _, err := d.approveAs(bob, d.asked("ada revokes bob", revoke())); err != nil {
		t.Fatal(err)
	}
	if err := revoke(); err != nil {
		t.Fatal(err)
	}
	_, err = d.approve(open)
	wantCode(t, "approving what a revoked owner asked for", err, api.CodeConflict)
}

// TestThreat18TheFirstTwo: one owner may make the second, and the last one stays.
func TestThreat18TheFirstTwo(t *testing.T) {
	d := newDesk(t)
	d.accept(twoOwners)
	id := d.askToRead(d.mia.APIKey, sensitive)
	if got := d.mustApprove(id); got.Status != api.ApprovalPending {
		t.Errorf("with one owner of two it is %+v", got)
	}
	wantCode(t, "revoking the last owner", d.v.RevokeOwner(ctx, d.as(d.owner), "ada", api.OwnerRevoke{}), api.CodeConflict)
	bob := d.another("bob") // alone
	if got, err := d.approveAs(bob, id); err != nil || got.Status != api.ApprovalApproved {
		t.Errorf("with the second it is %+v, %v", got, err)
	}
	_, err := d.v.CreateOwner(ctx, d.as(d.owner), api.OwnerCreate{Name: "cyd"})
	d.asked("a third one", err)
	for what, revoke := range map[string]func() error{
		"the other": func() error { return d.v.RevokeOwner(ctx, d.as(d.owner), "bob", api.OwnerRevoke{}) },
		"oneself":   func() error { return d.v.RevokeOwner(ctx, d.as(bob), "bob", api.OwnerRevoke{}) },
	} {
		d.asked("revoking "+what, revoke())
	}
	wantCode(t, "an agent revokes", d.v.RevokeOwner(ctx, d.as(d.mia.APIKey), "bob", api.OwnerRevoke{}), api.CodeScopeDenied)
	wantCode(t, "a token revokes", d.v.RevokeOwner(ctx, d.as(d.token(d.owner, "secrets:*:*").Token), "bob", api.OwnerRevoke{}), api.CodeScopeDenied)
}

// TestThreat18PolicyFile: a file that asks for fewer is held where there are two
// owners; one that does not is taken.
func TestThreat18PolicyFile(t *testing.T) {
	const two = "[tiers.sensitive]\napprovals = 2\n[tiers.critical]\napprovals = 3\n"
	for name, tc := range map[string]struct {
		text string
		held bool
	}{
		"nothing":            {"", true},
		"fewer of one":       {"[tiers.sensitive]\napprovals = 2\n[tiers.critical]\napprovals = 2\n", true},
		"more of one, fewer": {"[tiers.sensitive]\napprovals = 1\n[tiers.critical]\napprovals = 9\n", true},
		"more":               {"[tiers.sensitive]\napprovals = 3\n[tiers.critical]\napprovals = 3\n", false},
		"a rule more":        {two + ruleDenies, false},
	} {
		for _, owners := range []int{1, 2} {
			d := newDesk(t)
			if owners == 2 {
				d.another("bob")
			}
			d.accept(two)
			if tc.held && owners == 2 {
				digest := d.hold(tc.text)
				for range 3 { // offered again it is held still, and nothing is written
					at := d.last().Seq
					d.hold(tc.text)
					d.wantEvents(at)
				}
				if f := d.policyFile(); f.Text != two || f.HeldDigest != digest {
					t.Errorf("%s: in force is %q", name, f.Text)
				}
				continue
			}
			d.accept(tc.text)
			if f := d.policyFile(); f.State != api.FileInForce || f.Text != tc.text {
				t.Errorf("%s: the file is %+v", name, f)
			}
		}
	}
}

// TestThreat18EachOther: of two owners that revoke each other at once, one is
// left.
func TestThreat18EachOther(t *testing.T) {
	for range 10 {
		d := newDesk(t)
		bob := d.another("bob")
		errs := make(chan error, 2)
		go func() { errs <- d.v.RevokeOwner(ctx, d.as(d.owner), "bob", api.OwnerRevoke{}) }()
		go func() { errs <- d.v.RevokeOwner(ctx, d.as(bob), "ada", api.OwnerRevoke{}) }()
		won := 0
		for range 2 {
			if err := <-errs; err == nil {
				won++
			} else {
				wantCode(t, "the slower one", err, api.CodeUnauthorized)
			}
		}
		if won != 1 {
			t.Fatalf("%d of two were revoked", won)
		}
		if _, err := d.v.Owners(ctx, d.as(d.owner)); err != nil {
			d.owner = bob
		}
		if left, err := d.v.Owners(ctx, d.as(d.owner)); err != nil || len(left) != 1 {
			t.Errorf("left are %+v, %v", left, err)
		}
	}
}
