package vault_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// TestThreat15StepUpIsPerAct: a passphrase that came with one request is worth
// nothing in the next one, whoever sends it.
func TestThreat15StepUpIsPerAct(t *testing.T) {
	d := newKeyedDesk(t)
	first, second := d.askToRead(d.mia.APIKey, sensitive), d.askToRead(d.mia.APIKey, guarded)
	d.mustApproveWith(first)
	mustOK(t, errOf(d.v.CreateAgent(ctx, d.as(d.owner), api.AgentCreate{Name: "made", Passphrase: d.pass()})))
	req := d.as(d.owner) // one and the same request, used again
	mustOK(t, errOf(d.v.IssueToken(ctx, req, api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, Passphrase: d.pass()})))
	for what, req := range map[string]vault.Request{
		"the request that had it": req, "the same key": d.as(d.owner), "the same key from elsewhere": d.from(d.owner, remote("10.0.0.1")),
	} {
		_, err := d.read(req, sensitive, 0)
		wantCode(t, what+": reads", err, api.CodeStepUpRequired)
		_, err = d.v.Approve(ctx, req, second, api.ApprovalDecision{Digest: d.request(second).Digest})
		wantCode(t, what+": approves", err, api.CodeStepUpRequired)
		_, err = d.v.CreateAgent(ctx, req, api.AgentCreate{Name: "other"})
		wantCode(t, what+": makes an agent", err, api.CodeStepUpRequired)
	}
	d.wantStatus(second, api.ApprovalPending)
	d.asked("what was not approved", errOf(d.get(d.mia.APIKey, guarded)))
}

// TestThreat15JustWhatWasShown: a passphrase approves one request by its id, and
// only what was shown of it.
func TestThreat15JustWhatWasShown(t *testing.T) {
	d := newKeyedDesk(t)
	first, second := d.askToRead(d.mia.APIKey, sensitive), d.askToRead(d.mia.APIKey, guarded)
	shown := d.request(first).Digest
	_, err := d.v.Approve(ctx, d.as(d.owner), first, api.ApprovalDecision{Passphrase: d.pass()})
	wantCode(t, "a passphrase without a digest", err, api.CodeValidation)
	_, err = d.v.Approve(ctx, d.as(d.owner), second, api.ApprovalDecision{Passphrase: d.pass(), Digest: shown})
	wantCode(t, "another request than was shown", err, api.CodeConflict)
	_, err = d.approveWith(first, wrongPhrase)
	wantCode(t, "a wrong passphrase", err, api.CodeStepUpRequired)
	d.wantStatus(first, api.ApprovalPending)
	d.wantStatus(second, api.ApprovalPending)
	d.mustApproveWith(first)
	d.wantStatus(second, api.ApprovalPending)
	d.mustGet(d.mia.APIKey, sensitive, "value of sensitive")
	d.asked("the other", errOf(d.get(d.mia.APIKey, guarded)))
}

// TestThreat15WhosePassphrase: a passphrase goes with the key of its owner and
// with nothing else; whatever it came with, the trail tells of it.
func TestThreat15WhosePassphrase(t *testing.T) {
	d := newKeyedDesk(t)
	bob, err := d.v.CreateOwner(ctx, d.as(d.owner), api.OwnerCreate{Name: "bob", Passphrase: d.pass()})
	mustOK(t, err)
	if bob.InitialPassphrase == nil || *bob.InitialPassphrase == d.phrase || !bob.HasPassphrase {
		t.Fatalf("a second owner is %+v", bob.Owner)
	}
	scope := "secrets:read:" + sensitive
	for _, tc := range []struct {
		what, key, passphrase string
		code                  api.Code
		action                audit.Action
	}{
		{"another owner's", bob.APIKey, d.phrase, api.CodeStepUpRequired, audit.StepUpFailed},
		{"the other way round", d.owner, *bob.InitialPassphrase, api.CodeStepUpRequired, audit.StepUpFailed},
		{"the recovery passphrase", d.owner, d.claim.RecoveryPassphrase, api.CodeStepUpRequired, audit.StepUpFailed},
		{"one that can be none", d.owner, "short", api.CodeStepUpRequired, audit.StepUpFailed},
		{"none at all", d.owner, "", api.CodeStepUpRequired, audit.StepUpFailed},
		{"with an agent's key", d.mia.APIKey, d.phrase, api.CodeScopeDenied, audit.StepUpFailed},
		{"with an agent's key, one that can be none", d.mia.APIKey, "short", api.CodeScopeDenied, audit.StepUpFailed},
		{"with an owner's token", d.token(d.owner, "secrets:read:*").Token, d.phrase, api.CodeScopeDenied, audit.StepUpFailed},
		{"with a token made with it", d.steppedUp(scope), d.phrase, api.CodeScopeDenied, audit.StepUpFailed},
		{"with nobody's key", keyOf(forgedKey), d.phrase, api.CodeUnauthorized, audit.AuthFailed},
	} {
		before := len(d.onDisk())
		_, err := d.stepUp(tc.key, tc.passphrase, scope)
		wantCode(t, tc.what, err, tc.code)
		events := d.onDisk()
		if ev := events[len(events)-1]; len(events) > before+1 || ev.Action != tc.action || ev.Outcome != audit.Denied || ev.Reason == "" {
			t.Errorf("%s: %d events, the newest %+v", tc.what, len(events)-before, ev)
		}
	}
	if _, err := d.stepUp(bob.APIKey, *bob.InitialPassphrase, scope); err != nil {
		t.Errorf("the second owner's own: %v", err)
	}

	// A vault without one takes none.
	h := newHouse(t)
	_, err = h.stepUp(h.owner, phrase, "secrets:read:"+plain)
	wantCode(t, "a passphrase where there is none", err, api.CodeValidation)
}

// TestThreat15TokenOfAStepUp: it names exact paths and exact acts, each good once,
// for a minute.
func TestThreat15TokenOfAStepUp(t *testing.T) {
	d := newKeyedDesk(t)
	for _, scope := range []string{
		"secrets:read:*", "secrets:read:production/*", "secrets:*:" + sensitive, "secrets:read", "read:secrets", "secrets:read:production/SENS*",
		"namespaces:read", "manage:agents",
	} {
		_, err := d.stepUp(d.owner, d.phrase, "secrets:read:"+guarded, scope)
		wantCode(t, scope, err, api.CodeValidation)
	}
	at := d.clock.Now()
	for _, ttl := range []*api.TTL{nil, ptr(api.TTL(time.Hour)), ptr(api.TTL(30 * time.Second))} {
		tok := d.issue(d.owner, api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, TTL: ttl, Passphrase: d.pass()})
		want := at.Add(time.Minute)
		if ttl != nil {
			want = at.Add(min(time.Minute, time.Duration(*ttl)))
		}
		if !tok.ExpiresAt.Equal(want) {
			t.Errorf("asked to live %v, it ends %v after it was made", ttl, tok.ExpiresAt.Sub(at))
		}
	}
	once := func(what string, err error) {
		t.Helper()
		wantCode(t, what+", once", err, "")
	}
	tok := d.steppedUp("secrets:read:"+sensitive, "secrets:read:"+plain, "secrets:write:"+critical, "secrets:delete:"+critical)
	for range 3 { // looking around uses up nothing
		mustOK(t, errOf(d.v.List(ctx, d.as(tok), ns(t, "production"))))
	}
	_, err := d.get(tok, guarded)
	wantCode(t, "another path", err, api.CodeScopeDenied)
	once("reading", errOf(d.get(tok, sensitive)))
	once("reading what is standard", errOf(d.get(tok, plain)))
	once("writing", errOf(d.put(tok, critical, "new")))
	for what, err := range map[string]error{
		"reading": errOf(d.get(tok, sensitive)), "reading what is standard": errOf(d.get(tok, plain)),
		"writing": errOf(d.put(tok, critical, "newer")),
	} {
		wantCode(t, what+" twice", err, api.CodeScopeDenied)
	}
	once("deleting", d.delete(tok, critical))
	if _, err := d.get(tok, sensitive); err == nil {
		t.Error("used up, it reads")
	}

	tok = d.steppedUp("secrets:read:" + sensitive)
	d.clock.advance(time.Minute)
	_, err = d.get(tok, sensitive)
	wantCode(t, "after a minute", err, api.CodeUnauthorized)
	tok = d.steppedUp("secrets:read:"+sensitive, "secrets:write:"+critical)
	d.reopen()
	_, err = d.get(tok, sensitive)
	wantCode(t, "after a start", err, api.CodeUnauthorized)

	// Its other terms bind as those of any.
	lone := d.issue(d.owner, api.TokenRequest{
		Scopes: []string{"secrets:read:" + sensitive, "secrets:read:" + guarded}, MaxUses: ptr(1), IPAllowlist: []string{"10.0.0.0/8"}, Passphrase: d.pass(),
	}).Token
	_, err = d.get(lone, sensitive)
	wantCode(t, "from elsewhere", err, api.CodeUnauthorized)
	_, err = d.read(d.from(lone, remote("10.0.0.1")), sensitive, 0)
	once("from there", err)
	_, err = d.read(d.from(lone, remote("10.0.0.1")), guarded, 0)
	wantCode(t, "a second use of one", err, api.CodeUnauthorized)
}

// TestThreat15ClockPutBack: that the clock went back takes nothing away.
func TestThreat15ClockPutBack(t *testing.T) {
	d := newKeyedDesk(t)
	d.clock.advance(-10 * time.Minute)
	d.wantProtected(sensitive, "value of sensitive")
	d.opened(d.mia.APIKey, sensitive)
	d.mustGet(d.mia.APIKey, sensitive, "value of sensitive")
}

// TestThreat15Raced: of all who use one token at once, one reads.
func TestThreat15Raced(t *testing.T) {
	d := newKeyedDesk(t)
	for range 5 {
		tok := d.steppedUp("secrets:read:" + sensitive)
		var wg sync.WaitGroup
		got := make(chan string, 8)
		for range cap(got) {
			wg.Go(func() {
				value, err := d.get(tok, sensitive)
				if err == nil {
					got <- value
				} else if code := api.CodeOf(err); code != api.CodeScopeDenied && code != api.CodeUnauthorized {
					t.Errorf("one that lost: %v", err)
				}
			})
		}
		wg.Wait()
		if len(got) != 1 || <-got != "value of sensitive" {
			t.Errorf("%d more reads were served", len(got))
		}
	}
}

// TestThreat15ProofOfAnOldPassphrase: a proof counts while the record that it came
// from is in force: an act that was on its way while the passphrase was changed is
// refused.
func TestThreat15ProofOfAnOldPassphrase(t *testing.T) {
	d := newKeyedActs(t)
	const next = "another passphrase of hers"
	req, err := d.v.Proved(ctx, d.as(d.owner), d.phrase)
	mustOK(t, err)
	stale, err := d.v.Proved(ctx, d.as(d.owner), d.phrase)
	mustOK(t, err)
	scopes := []string{"secrets:write:" + critical}
	mustOK(t, errOf(d.v.IssueToken(ctx, req, api.TokenRequest{Scopes: scopes})))
	mustOK(t, d.v.ChangePassphrase(ctx, d.as(d.owner), api.PassphraseChange{Passphrase: d.pass(), NewPassphrase: ptr(next)}))
	d.phrase = next
	_, err = d.v.IssueToken(ctx, stale, api.TokenRequest{Scopes: scopes})
	wantCode(t, "a proof of the old one", err, api.CodeStepUpRequired)
	for what, who := range map[string]string{
		"an agent's": d.mia.APIKey, "a token's": d.token(d.owner, "secrets:*:*").Token, "another owner's": d.bob.APIKey,
	} {
		other := d.as(who)
		fresh, err := d.v.Proved(ctx, d.as(d.owner), next)
		mustOK(t, err)
		fresh.Credential = other.Credential
		_, err = d.v.CreateAgent(ctx, fresh, api.AgentCreate{Name: "other"})
		if err == nil {
			t.Errorf("a proof is taken along into %s request", what)
		}
	}
	_, err = d.stepUp(d.owner, phrase, "secrets:read:"+sensitive)
	wantCode(t, "the old passphrase", err, api.CodeStepUpRequired)
	d.wantProtected(sensitive, "value of sensitive")
}

// needsPassphrase is an act that needs the passphrase, without and with it.
type needsPassphrase struct {
	name   string
	action audit.Action // in the trail when it is refused
	act    func(d *keyedActs, p *string) error
}

// keyedActs is a vault with one of everything that those acts are about.
type keyedActs struct {
	*desk
	n   int
	bob api.OwnerCreated
}

func newKeyedActs(t *testing.T) *keyedActs {
	d := &keyedActs{desk: newKeyedDesk(t)}
	var err error
	d.bob, err = d.v.CreateOwner(ctx, d.as(d.owner), api.OwnerCreate{Name: "bob", Passphrase: d.pass()})
	mustOK(t, err)
	_, err = d.v.OfferPolicy(ctx, "policy.toml", []byte("# nothing\n"), nil)
	if !errors.Is(err, vault.ErrHeld) {
		t.Fatalf("a policy that is offered: %v", err)
	}
	return d
}

// with is a token for that act alone: with a passphrase one made with it, else the
// widest there is.
func (d *keyedActs) with(p *string, scopes ...string) (string, error) {
	if p == nil {
		return d.token(d.owner, "secrets:*:*").Token, nil
	}
	tok, err := d.stepUp(d.owner, *p, scopes...)
	return tok.Token, err
}

func (d *keyedActs) byToken(p *string, scope string, act func(tok string) error) error {
	tok, err := d.with(p, scope)
	if err != nil {
		return err
	}
	return act(tok)
}

func inProduction(w *api.ImportRequest) { w.Namespace = "production" }

var stepUpActs = []needsPassphrase{
	{"approving", audit.ApprovalApprove, func(d *keyedActs, p *string) error {
		id := d.askToRead(d.mia.APIKey, sensitive)
		return errOf(d.v.Approve(ctx, d.as(d.owner), id, api.ApprovalDecision{Passphrase: p, Digest: d.request(id).Digest}))
	}},
	{"a token to read sensitive", audit.SecretRead, func(d *keyedActs, p *string) error {
		return errOf(d.v.IssueToken(ctx, d.as(d.owner), api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, Passphrase: p}))
	}},
	{"reading sensitive", audit.SecretRead, func(d *keyedActs, p *string) error {
		return d.byToken(p, "secrets:read:"+sensitive, func(tok string) error { return errOf(d.get(tok, sensitive)) })
	}},
	{"reading critical", audit.SecretRead, func(d *keyedActs, p *string) error {
		return d.byToken(p, "secrets:read:"+critical, func(tok string) error { return errOf(d.get(tok, critical)) })
	}},
	{"writing critical", audit.SecretWrite, func(d *keyedActs, p *string) error {
		return d.byToken(p, "secrets:write:"+critical, func(tok string) error { return errOf(d.put(tok, critical, "v")) })
	}},
	{"rotating critical to a value", audit.SecretRotate, func(d *keyedActs, p *string) error {
		return d.byToken(p, "secrets:write:"+critical, func(tok string) error { return errOf(d.rotate(tok, critical, to("v"))) })
	}},
	{"flagging critical", audit.SecretRotate, func(d *keyedActs, p *string) error {
		return d.byToken(p, "secrets:rotate:"+critical, func(tok string) error { return errOf(d.rotate(tok, critical, api.SecretRotate{})) })
	}},
	{"importing onto critical", audit.SecretWrite, func(d *keyedActs, p *string) error {
		return d.byToken(p, "secrets:write:"+critical, func(tok string) error { return errOf(d.importAs(tok, "CRITICAL=v\n", inProduction)) })
	}},
	{"lowering critical", audit.SecretWrite, func(d *keyedActs, p *string) error {
		return d.byToken(p, "secrets:write:"+critical, func(tok string) error { return errOf(d.put(tok, critical, "v", lowerTo("sensitive"))) })
	}},
	{"lowering sensitive", audit.SecretWrite, func(d *keyedActs, p *string) error {
		return d.byToken(p, "secrets:write:"+guarded, func(tok string) error { return errOf(d.put(tok, guarded, "v", lowerTo("standard"))) })
	}},
	{"deleting critical", audit.SecretDelete, func(d *keyedActs, p *string) error {
		const last = "production/LAST"
		d.n++
		if d.n == 1 {
			d.mustPut(d.owner, last, "v", tier("critical"))
		}
		return d.byToken(p, "secrets:delete:"+last, func(tok string) error { return d.delete(tok, last) })
	}},
	{"writing where critical was deleted", audit.SecretWrite, func(d *keyedActs, p *string) error {
		const last = "production/LAST"
		return d.byToken(p, "secrets:write:"+last, func(tok string) error { return errOf(d.put(tok, last, "v", lowerTo("standard"))) })
	}},
	{"making an agent", audit.AgentCreate, func(d *keyedActs, p *string) error {
		return errOf(d.v.CreateAgent(ctx, d.as(d.owner), api.AgentCreate{Name: "new", Passphrase: p}))
	}},
	{"making an owner", audit.OwnerCreate, func(d *keyedActs, p *string) error {
		return errOf(d.v.CreateOwner(ctx, d.as(d.owner), api.OwnerCreate{Name: "eve", Passphrase: p}))
	}},
	{"revoking an owner", audit.OwnerRevoke, func(d *keyedActs, p *string) error {
		return d.v.RevokeOwner(ctx, d.as(d.owner), "bob", api.OwnerRevoke{Passphrase: p})
	}},
	{"accepting a policy", audit.PolicyReload, func(d *keyedActs, p *string) error {
		files, err := d.v.Files(ctx, d.as(d.owner))
		mustOK(d.t, err)
		return errOf(d.v.AcceptFile(ctx, d.as(d.owner), api.PolicyAccept{Name: api.PolicyFile, Digest: files[0].HeldDigest, Passphrase: p}))
	}},
	{"changing the passphrase", audit.PassphraseSet, func(d *keyedActs, p *string) error {
		return d.v.ChangePassphrase(ctx, d.as(d.owner), api.PassphraseChange{Passphrase: p, NewPassphrase: ptr("a new one entirely")})
	}},
}

// TestThreat16WhatNeedsThePassphrase: each act that opens or weakens is refused
// without, by an event of its own, and done with.
func TestThreat16WhatNeedsThePassphrase(t *testing.T) {
	d := newKeyedActs(t)
	for _, tc := range stepUpActs {
		d.clock.advance(2 * time.Minute) // so that no refusal is only counted
		mustOK(t, d.v.FlushDue(ctx))
		at := d.last().Seq
		wantCode(t, tc.name+" without a passphrase", tc.act(d, nil), api.CodeStepUpRequired)
		if ev := d.last(); ev.Seq == at || ev.Action != tc.action.Denied() || ev.Outcome != audit.Denied || ev.Actor.Name != "ada" {
			t.Errorf("%s: the newest event is %+v", tc.name, ev.Event)
		}
		wantCode(t, tc.name+" with a wrong one", tc.act(d, ptr(wrongPhrase)), api.CodeStepUpRequired)
		d.forgive()
		wantCode(t, tc.name+" with the passphrase", tc.act(d, ptr(phrase)), "")
	}
	d.phrase = "a new one entirely"
	d.wantProtected(sensitive, "value of sensitive")

	mustOK(t, errOf(d.v.Lockdown(ctx, d.as(d.owner), api.LockdownRequest{})))
	_, err := d.v.Lift(ctx, d.as(d.owner), api.LiftRequest{})
	wantCode(t, "lifting without a passphrase", err, api.CodeStepUpRequired)
	_, err = d.v.Lift(ctx, d.as(d.owner), api.LiftRequest{Passphrase: ptr(phrase)})
	wantCode(t, "lifting with an old one", err, api.CodeStepUpRequired)
	mustOK(t, errOf(d.v.Lift(ctx, d.as(d.owner), api.LiftRequest{Passphrase: d.pass()})))
}

// forgive takes the delay away that wrong tries have earned.
func (h *house) forgive() { h.v.ForgiveTries() }

// TestThreat16DirectKey: an owner's own key does no more than the widest token.
func TestThreat16DirectKey(t *testing.T) {
	d := newKeyedActs(t)
	for what, act := range map[string]func() error{
		"reading sensitive":       func() error { return errOf(d.get(d.owner, sensitive)) },
		"reading an old version":  func() error { return errOf(d.read(d.as(d.owner), sensitive, 1)) },
		"reading critical":        func() error { return errOf(d.get(d.owner, critical)) },
		"writing critical":        func() error { return errOf(d.put(d.owner, critical, "v")) },
		"lowering sensitive":      func() error { return errOf(d.put(d.owner, sensitive, "v", lowerTo("standard"))) },
		"lowering critical":       func() error { return errOf(d.put(d.owner, critical, "v", lowerTo("standard"))) },
		"deleting critical":       func() error { return d.delete(d.owner, critical) },
		"rotating critical":       func() error { return errOf(d.rotate(d.owner, critical, to("v"))) },
		"flagging critical":       func() error { return errOf(d.rotate(d.owner, critical, api.SecretRotate{})) },
		"importing onto critical": func() error { return errOf(d.importAs(d.owner, "PLAIN=v\nCRITICAL=v\n", inProduction)) },
		"a dry run of that":       func() error { return errOf(d.importAs(d.owner, "CRITICAL=v\n", inProduction, dry)) },
		"a token for it": func() error {
			return errOf(d.v.IssueToken(ctx, d.as(d.owner), api.TokenRequest{Scopes: []string{"secrets:delete:" + critical}}))
		},
	} {
		wantCode(t, what, act(), api.CodeStepUpRequired)
	}
	d.mustGet(d.owner, plain, "value of plain")
	d.wantProtected(critical, "value of critical")
	d.wantProtected(sensitive, "value of sensitive")
}

// TestThreat16WhatNeedsNone: what stops, looks or makes stricter asks for nothing.
func TestThreat16WhatNeedsNone(t *testing.T) {
	d := newKeyedActs(t)
	decide := api.ApprovalDecision{}
	waits, open := d.askToRead(d.mia.APIKey, guarded), d.opened(d.mia.APIKey, sensitive)
	tok := d.token(d.owner, "secrets:read:*")
	for _, tc := range []struct {
		what string
		act  func() error
	}{
		{"reading standard", func() error { return errOf(d.get(d.owner, plain)) }},
		{"writing standard", func() error { return errOf(d.put(d.owner, plain, "v")) }},
		{"raising a tier", func() error { return errOf(d.put(d.owner, plain, "v", tier("sensitive"))) }},
		{"writing sensitive", func() error { return errOf(d.put(d.owner, sensitive, "v2")) }},
		{"rotating sensitive", func() error { return errOf(d.rotate(d.owner, sensitive, to("v3"))) }},
		{"deleting sensitive", func() error { return d.delete(d.owner, plain) }},
		{"making a critical secret", func() error { return errOf(d.put(d.owner, "production/NEW", "v", tier("critical"))) }},
		{"importing with a tier", func() error { return errOf(d.importAs(d.owner, "A=v\n", ofTier("critical"))) }},
		{"a wildcard token", func() error {
			return errOf(d.v.IssueToken(ctx, d.as(d.owner), api.TokenRequest{Scopes: []string{"secrets:*:*"}}))
		}},
		{"listing", func() error { return errOf(d.v.List(ctx, d.as(d.owner), ns(t, "production"))) }},
		{"listing requests", func() error { return errOf(d.v.Approvals(ctx, d.as(d.owner), "")) }},
		{"listing owners", func() error { return errOf(d.v.Owners(ctx, d.as(d.owner))) }},
		{"denying", func() error { return errOf(d.v.Deny(ctx, d.as(d.owner), waits, decide)) }},
		{"revoking an approval", func() error { return errOf(d.v.Revoke(ctx, d.as(d.owner), open, decide)) }},
		{"revoking a token", func() error { return d.v.RevokeToken(ctx, d.as(d.owner), tok.TokenID) }},
		{"revoking an agent", func() error { return d.v.RevokeAgent(ctx, d.as(d.owner), "mia") }},
		{"locking down", func() error { return errOf(d.v.Lockdown(ctx, d.as(d.owner), api.LockdownRequest{})) }},
	} {
		wantCode(t, tc.what, tc.act(), "")
	}
	var takes []string
	for what, err := range map[string]error{
		"deny":   errOf(d.v.Deny(ctx, d.as(d.owner), waits, api.ApprovalDecision{Passphrase: d.pass()})),
		"revoke": errOf(d.v.Revoke(ctx, d.as(d.owner), open, api.ApprovalDecision{Passphrase: d.pass()})),
	} {
		if api.CodeOf(err) != api.CodeValidation || !strings.Contains(err.Error(), "passphrase") {
			takes = append(takes, what)
		}
	}
	if len(takes) > 0 {
		t.Errorf("%q take a passphrase, which has no business there", takes)
	}
	mustOK(t, errOf(d.v.Lift(ctx, d.as(d.owner), api.LiftRequest{Passphrase: d.pass()})))
}

// TestThreat16WithoutAPassphrase: a vault without one asks for none.
func TestThreat16WithoutAPassphrase(t *testing.T) {
	d := newDesk(t)
	d.mustGet(d.owner, critical, "value of critical")
	d.mustPut(d.owner, critical, "v", lowerTo("standard"))
	d.mustApprove(d.askToRead(d.mia.APIKey, sensitive))
	d.mustGet(d.mia.APIKey, sensitive, "value of sensitive")
	err := d.v.ChangePassphrase(ctx, d.as(d.owner), api.PassphraseChange{NewPassphrase: ptr("a new one entirely")})
	wantCode(t, "changing the passphrase", err, api.CodeConflict)
	bob, err := d.v.CreateOwner(ctx, d.as(d.owner), api.OwnerCreate{Name: "bob"})
	if err != nil || bob.InitialPassphrase != nil || bob.HasPassphrase {
		t.Errorf("a second owner is %+v, %v", bob, err)
	}
	if l := takeLoot(t, d.file("vault.db"), d.file("root.key")); l.keyed != "" || len(l.locks) > 0 || !slices.Equal(d.keys("passphrases"), nil) {
		t.Errorf("it has an approval key %q", l.keyed)
	}
}

// TestThreat16Changing: the passphrase is changed for the old one, for its owner
// alone, and the recovery passphrase stays.
func TestThreat16Changing(t *testing.T) {
	d := newKeyedActs(t)
	const next = "what bob has chosen"
	change := func(who string, old, to *string) error {
		return d.v.ChangePassphrase(ctx, d.as(who), api.PassphraseChange{Passphrase: old, NewPassphrase: to})
	}
	wantCode(t, "no new one", change(d.bob.APIKey, d.bob.InitialPassphrase, nil), api.CodeValidation)
	wantCode(t, "one too short", change(d.bob.APIKey, d.bob.InitialPassphrase, ptr("short")), api.CodeValidation)
	wantCode(t, "an agent's", change(d.mia.APIKey, d.pass(), ptr(next)), api.CodeScopeDenied)
	wantCode(t, "an agent's without", change(d.mia.APIKey, nil, ptr(next)), api.CodeScopeDenied)
	wantCode(t, "with another owner's", change(d.bob.APIKey, d.pass(), ptr(next)), api.CodeStepUpRequired)
	mustOK(t, change(d.bob.APIKey, d.bob.InitialPassphrase, ptr(next)))
	if ev := d.last(); ev.Action != audit.PassphraseSet || ev.Actor.Name != "bob" || strings.Contains(ev.Reason, next) {
		t.Errorf("the event of it is %+v", ev.Event)
	}
	d.forgive()
	if _, err := d.stepUp(d.bob.APIKey, next, "secrets:read:"+sensitive); err != nil {
		t.Errorf("the new one: %v", err)
	}
	_, err := d.stepUp(d.bob.APIKey, *d.bob.InitialPassphrase, "secrets:read:"+sensitive)
	wantCode(t, "the old one", err, api.CodeStepUpRequired)
	d.wantProtected(sensitive, "value of sensitive") // ada's is as it was
	l := takeLoot(t, d.file("vault.db"), d.file("root.key"))
	for what, text := range map[string]string{"bob's": next, "ada's": d.phrase, "recovery": d.claim.RecoveryPassphrase} {
		if l.try(text) != 1 {
			t.Errorf("%s does not open the approval key", what)
		}
	}
	if l.try(*d.bob.InitialPassphrase) != 0 {
		t.Error("bob's first one still opens it")
	}
}
