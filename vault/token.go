package vault

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// token is the record behind a token: all its rights. The JWT is a handle on it.
type token struct {
	ID      string    `json:"id"`
	Kind    kind      `json:"kind"`
	Holder  string    `json:"holder"` // id of the identity it acts for
	Name    string    `json:"name"`   // of the holder, for listings
	Scopes  []string  `json:"scopes"`
	Sources []string  `json:"sources,omitempty"` // where it may be used from; empty: anywhere
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	MaxUses int       `json:"max_uses,omitempty"` // 0: no limit
	Uses    int       `json:"uses,omitempty"`
	Revoked time.Time `json:"revoked,omitzero"`
	StepUp  bool      `json:"step_up,omitempty"` // made with the approval passphrase: each scope is good once
	Used    []string  `json:"used,omitempty"`    // of such a token: the scopes that are
	Locked  int       `json:"lockdowns,omitempty"`
	Key     string    `json:"key,omitempty"` // id of the key that signs it; "": made before records had it

	scopes  []policy.Scope // parsed from the above, without what is used
	sources addressList
}

// Bounds of a request for a token.
const (
	dropAtOnce = 8      // expired records that one new token removes
	maxListed  = 10_000 // tokens in one listing
	stepUpTTL  = time.Minute
)

func (t *token) prepare() (err error) {
	left := slices.DeleteFunc(slices.Clone(t.Scopes), func(s string) bool { return slices.Contains(t.Used, s) })
	if t.scopes, err = policy.ParseScopes(left); err != nil {
		return err
	}
	t.sources, err = parseAddressList(t.Sources)
	return err
}

// use is t after the use of a scope, by an act that does not count as a use any
// more if it has been counted; t itself where that changes nothing.
func (t *token) use(scope string, counted bool) *token {
	next := *t
	changed := t.MaxUses > 0 && !counted
	if changed {
		next.Uses++
	}
	if t.StepUp && slices.Contains(t.Scopes, scope) && !slices.Contains(t.Used, scope) {
		changed = true
		next.Used = append(slices.Clone(t.Used), scope)
		next.scopes = slices.DeleteFunc(slices.Clone(t.scopes), func(s policy.Scope) bool { return s.String() == scope })
	}
	if !changed {
		return t
	}
	return &next
}

// values are the secrets that a token made with the passphrase may open.
func (t *token) values() map[string]string {
	out := map[string]string{}
	for _, s := range t.scopes {
		if _, p, literal := s.Literal(); literal {
			out[p.String()] = ""
		}
	}
	return out
}

// unusable says why t cannot be used at that moment from there, or "".
func (t *token) unusable(m moment, from Origin) string {
	now := m.now
	switch {
	case t.Locked != m.lockdown.count():
		return endedByLockdown
	case !t.Revoked.IsZero():
		return "the token has been revoked"
	case !t.signedAt(m):
		return "the token was made before the keys of the vault were turned over"
	case !now.Before(t.Expires):
		return "the token has expired or does not exist"
	case t.MaxUses > 0 && t.Uses >= t.MaxUses, t.StepUp && len(t.scopes) == 0:
		return "the token has been used up"
	case t.StepUp && !m.keys.has(t.ID, m.now):
		return "the token was made with a passphrase, and the daemon has been started anew since"
	case len(t.Sources) > 0 && !from.in(t.sources):
		return "the token may not be used from this address"
	}
	return ""
}

// signedAt reports whether t is signed by the key that signs tokens at that moment.
// What was signed by another one is no token any more, and its record opens nothing.
func (t *token) signedAt(m moment) bool {
	return t.Key == m.tokenKey || t.Key == "" && !m.otherTokenKey
}

// live reports whether t could still be used by someone.
func (t *token) live(m moment) bool {
	return t.Locked == m.lockdown.count() && t.Revoked.IsZero() && t.signedAt(m) && m.now.Before(t.Expires) &&
		(t.MaxUses == 0 || t.Uses < t.MaxUses) && (!t.StepUp || len(t.scopes) > 0 && m.keys.has(t.ID, m.now))
}

// now is the time that expiry counts against in r.
func (v *Vault) now(r store.Reader) time.Time {
	if _, writing := r.(*store.Tx); writing {
		return v.log.Now()
	}
	return v.log.At()
}

// IssueToken makes a token for the holder of the presented key, within the
// holder's reach. A scope beyond it is refused, never narrowed. One that names a
// secret whose tier waits for approval is APPROVAL_REQUIRED, with the id of the
// request that this opens.
func (v *Vault) IssueToken(ctx context.Context, req Request, want api.TokenRequest) (api.TokenResponse, error) {
	t, err := draftToken(want)
	if err != nil {
		return api.TokenResponse{}, asAPI(err)
	}
	t.StepUp = want.Passphrase != nil
	if req, err = v.stepUp(ctx, req, want.Passphrase); err != nil {
		return api.TokenResponse{}, err
	}
	t.ID = newID("tok")
	judged, err := v.judge(req, t)
	if err != nil {
		return api.TokenResponse{}, asAPI(err)
	}
	err = v.do(ctx, on("token.issue"), req, func(a *act) error { return a.issue(&t, want, judged) })
	if err != nil {
		v.keys.drop(t.ID)
		return api.TokenResponse{}, err
	}
	return v.answerToken(t)
}

// issue decides on a token that was asked for, and records it.
func (a *act) issue(t *token, want api.TokenRequest, judged *judgement) error {
	a.claim = plainWords(want.Reason)
	ttl, err := a.ttl(t, want.TTL)
	if err != nil {
		return err
	}
	t.Kind, t.Holder, t.Name, t.Locked = a.caller.kind, a.caller.ID, a.caller.Name, a.lockdown.count()
	if err := a.mayIssue(*t, ttl, judged); err != nil {
		return err
	}
	t.Key, t.Created = a.tokenKey, a.v.log.Now().Truncate(time.Second)
	t.Expires = t.Created.Add(ttl)
	if t.StepUp { // before there is the token: nobody can use it yet
		a.v.keys.keep(t.ID, a.req.proof.key, t.Expires, t.values())
	}
	if err := a.v.dropExpired(a.tx); err != nil {
		return err
	}
	if err := a.tx.Put(store.Expiry, expiryKey(*t), nil); err != nil {
		return err
	}
	ev := a.event(audit.TokenCreate)
	ev.TokenID, ev.Reason = t.ID, "for "+cut(strings.Join(t.Scopes, " "))
	if t.StepUp {
		ev.Reason += ", with the approval passphrase"
	}
	return a.record(ev, put(store.Tokens, t.ID, t))
}

// ttl is how long the token is to live, by what was asked for and the policy.
func (a *act) ttl(t *token, asked *api.TTL) (time.Duration, error) {
	ttl, most := a.policy.DefaultTTL(), a.policy.MaxTTL()
	if asked != nil {
		ttl = time.Duration(*asked)
	}
	if ttl > most {
		return 0, invalid("ttl", "longer than the "+api.TTL(most).String()+" that this vault allows")
	}
	if t.StepUp {
		ttl = min(ttl, stepUpTTL)
	}
	return ttl, nil
}

// draftToken checks what was asked for, before anyone is looked up.
func draftToken(want api.TokenRequest) (t token, err error) {
	if len(want.Scopes) == 0 {
		return t, invalid("scopes", `name at least one, like "secrets:read:production/*"`)
	}
	t.Scopes = want.Scopes
	if t.scopes, err = policy.ParseScopes(want.Scopes); err != nil {
		return t, invalid("scopes", err.Error())
	}
	if n := len(strings.Join(want.Scopes, "")); n > api.MaxScopes {
		return t, invalid("scopes", fmt.Sprintf("longer than %d bytes together", api.MaxScopes))
	}
	if len(want.IPAllowlist) > api.MaxSources {
		return t, invalid("ip_allowlist", fmt.Sprintf("more than %d entries", api.MaxSources))
	}
	if t.sources, err = parseAddressList(want.IPAllowlist); err != nil {
		return t, invalid("ip_allowlist", `an entry is no address, no network like 10.0.0.0/8, and not "local"`)
	}
	t.Sources = t.sources.texts()
	if want.MaxUses != nil {
		if *want.MaxUses < 1 || *want.MaxUses > api.MaxUses {
			return t, invalid("max_uses", fmt.Sprintf("must be from 1 to %d", api.MaxUses))
		}
		t.MaxUses = *want.MaxUses
	}
	if want.Passphrase != nil && !allLiteral(t.scopes) {
		return t, invalid("scopes", "with a passphrase each names one secret and one act, like secrets:read:production/KEY")
	}
	return t, nil
}

func allLiteral(scopes []policy.Scope) bool {
	return !slices.ContainsFunc(scopes, func(s policy.Scope) bool {
		_, _, literal := s.Literal()
		return !literal
	})
}

// mayIssue refuses a token that would carry more than the caller may, and asks
// for approval of what needs one. It uses up no grant: an act does.
func (a *act) mayIssue(t token, ttl time.Duration, judged *judgement) error {
	if a.caller.token != nil {
		const reason = "a token cannot make tokens; use the key"
		return refuse(a.event(audit.TokenCreate), api.New(api.CodeScopeDenied, reason), reason)
	}
	var missing []unapproved
	for _, s := range t.scopes {
		one, err := a.mayCarry(s, judged)
		if err != nil {
			return err
		}
		if one != nil {
			missing = append(missing, *one)
		}
	}
	if len(missing) > maxAsked {
		return api.New(api.CodeValidation, fmt.Sprintf("scopes: more than %d of them wait for an owner's approval", maxAsked)).
			WithHint("ask for fewer at once: an owner has to look at each")
	}
	if len(missing) > 0 {
		return a.ask(terms{ttl, t.MaxUses, t.Sources}, missing...)
	}
	return nil
}

// mayCarry refuses one scope, or returns the act that waits for approval. The
// refusal of a scope that names one secret is the refused act itself, since the
// caller never gets as far as the act.
func (a *act) mayCarry(s policy.Scope, judged *judgement) (*unapproved, error) {
	action, path, literal := s.Literal()
	if !literal {
		reason := judged.of(a, s)
		if reason == "" {
			return nil, nil
		}
		return nil, refuse(a.event(audit.TokenCreate), api.New(api.CodeScopeDenied, reason).
			WithHint("ask for less, or have an owner make an agent with wider limits: ass agents create --help"), reason)
	}
	_, missing, err := a.headerOr(a.about(actionEvents[action], path), action, path)
	return missing, err
}

// judgement is what beyond says of the scopes of a token, as it was on a snapshot: to
// hold many patterns against many rules is not for the writer, who keeps everyone
// waiting. It counts while policy and holder are the very same.
type judgement struct {
	policy *policy.Policy
	holder *identity
	reason map[policy.Scope]string
}

// judge looks at the scopes of t that name more than one secret. For nobody that this
// vault knows it looks at nothing.
func (v *Vault) judge(req Request, t token) (j *judgement, err error) {
	err = v.db.View(func(s *store.Snapshot) error {
		m, err := v.momentOf(s)
		if err != nil {
			return err
		}
		c, err := v.resolveAt(s, m, req.Credential, req.Origin)
		if _, failed := asUnauthorized(err); failed {
			return nil
		}
		if err != nil {
			return err
		}
		j = &judgement{m.policy, c.identity, map[policy.Scope]string{}}
		for _, scope := range t.scopes {
			if _, _, literal := scope.Literal(); !literal {
				j.reason[scope] = c.beyond(scope)
			}
		}
		return nil
	})
	return j, err
}

// of is what was found about a scope, or what is found now.
func (j *judgement) of(a *act, s policy.Scope) string {
	if j != nil && j.policy == a.policy && j.holder == a.caller.identity {
		if reason, ok := j.reason[s]; ok {
			return reason
		}
	}
	return a.caller.beyond(s)
}

// beyond says why a scope that names more than one secret is not within the
// caller's reach, all of it, or "". Scopes are never narrowed.
func (c *caller) beyond(s policy.Scope) string {
	if !c.reach.Covers(s) {
		return "a scope is beyond what this key may do, and scopes are never narrowed"
	}
	action, pattern, ok := s.Pattern()
	if !ok {
		return ""
	}
	if r := c.rules.Refuses(action, pattern); r != nil {
		return fmt.Sprintf("a scope is beyond what the policy allows (line %d denies part of it), and scopes are never narrowed", r.Line())
	}
	return ""
}

// actionEvents names each action in the trail.
var actionEvents = map[policy.Action]audit.Action{
	policy.Read: audit.SecretRead, policy.Write: audit.SecretWrite,
	policy.Delete: audit.SecretDelete, policy.Rotate: audit.SecretRotate,
}

func (v *Vault) answerToken(t token) (api.TokenResponse, error) {
	text, err := v.tokens.Load().sign(claims{
		Subject: t.Holder, ID: t.ID, IssuedAt: t.Created.Unix(), Expires: t.Expires.Unix(), Scopes: t.Scopes,
	})
	return api.TokenResponse{
		Token: text, TokenID: t.ID, ExpiresAt: t.Expires, Scopes: t.Scopes, AgentID: t.Holder,
	}, err
}

func expiryKey(t token) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(t.Expires.Unix())), t.ID...)
}

// dropExpired removes a few token records that have expired. They open nothing,
// present or absent, so no event tells of it.
func (v *Vault) dropExpired(tx *store.Tx) error {
	var keys [][]byte
	now := uint64(v.log.Now().Unix())
	err := tx.Scan(store.Expiry, nil, func(k, _ []byte) (bool, error) {
		if len(k) <= 8 || binary.BigEndian.Uint64(k) > now {
			return false, nil
		}
		keys = append(keys, append([]byte(nil), k...))
		return len(keys) < dropAtOnce, nil
	})
	for _, k := range keys {
		if err == nil {
			err = v.dropToken(tx, k)
		}
	}
	return err
}

// dropToken removes the token that an expiry key names, if it really has
// expired: the key itself is only a hint.
func (v *Vault) dropToken(tx *store.Tx, expiry []byte) error {
	id := string(expiry[8:])
	t, err := load[token](v, tx, store.Tokens, id)
	if err != nil {
		return err
	}
	if t != nil && !v.log.Now().Before(t.Expires) {
		if err := v.log.Drop(tx, audit.Object{Bucket: store.Tokens, Key: id}); err != nil {
			return err
		}
	}
	return tx.Delete(store.Expiry, expiry)
}

// Tokens lists the live tokens: an owner sees all, an agent its own.
func (v *Vault) Tokens(ctx context.Context, req Request) ([]api.Token, error) {
	list := []api.Token{}
	err := v.look(ctx, req, audit.TokenList, false, func(r store.Reader, c *caller) error {
		m, err := v.momentOf(r)
		if err != nil {
			return err
		}
		return r.Scan(store.Tokens, nil, func(k, _ []byte) (bool, error) {
			t, err := load[token](v, r, store.Tokens, string(k))
			if err == nil && t != nil && t.live(m) && (c.owner() || t.Holder == c.ID) {
				list = append(list, t.describe())
			}
			return err == nil && len(list) < maxListed, err
		})
	})
	sort.SliceStable(list, func(i, j int) bool { return list[i].CreatedAt.After(list[j].CreatedAt) })
	return list, err
}

func (t *token) describe() api.Token {
	out := api.Token{
		ID: t.ID, AgentID: t.Holder, AgentName: t.Name, Scopes: t.Scopes, Uses: t.Uses,
		IPAllowlist: append([]string{}, t.Sources...), CreatedAt: t.Created, ExpiresAt: t.Expires,
	}
	if t.MaxUses > 0 {
		out.MaxUses = &t.MaxUses
	}
	return out
}

// RevokeToken ends a token: an owner any, an agent its own. Ending one that has
// ended already is NOT_FOUND.
func (v *Vault) RevokeToken(ctx context.Context, req Request, id string) error {
	err := v.doReserved(ctx, on("token.revoke"), req, func(a *act) error {
		ev := a.event(audit.TokenRevoke) // its subject only once it is known to be a token's id
		if a.caller.token != nil {
			const reason = "a token cannot revoke tokens; use the key"
			return refuse(ev, api.New(api.CodeScopeDenied, reason), reason)
		}
		t, err := load[token](v, a.tx, store.Tokens, id)
		if err != nil {
			return err
		}
		if t == nil || !t.live(a.moment) || (!a.caller.owner() && t.Holder != a.caller.ID) {
			return api.New(api.CodeNotFound, "no such live token").WithHint("ass tokens list shows them")
		}
		next := *t
		next.Revoked = v.log.Now()
		ev.Subject = &audit.Subject{ID: t.ID, Name: t.Name}
		return a.record(ev, put(store.Tokens, t.ID, next))
	})
	if err == nil {
		v.keys.drop(id)
	}
	return err
}

// cut bounds foreign text that an event repeats.
func cut(s string) string { return s[:min(len(s), 256)] }
