package vault_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// sent reads a path as a URL spells it.
func sent(t *testing.T, h *house, who, escaped string) (vault.Request, *vault.Reading, *api.SecretList, error) {
	t.Helper()
	p, err := policy.ParseRequestPath(escaped)
	if err != nil {
		t.Fatalf("%q: %v", escaped, err)
	}
	req := h.as(who)
	r, list, err := h.v.Get(ctx, req, p, 0)
	if err != nil && (r != nil || list != nil) {
		t.Errorf("%q: an answer came with %v", escaped, err)
	}
	return req, r, list, err
}

// TestThreat10Paths: however a path is spelled, policy, encryption, store and
// audit mean one secret.
func TestThreat10Paths(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "production/openai/KEY", "the value")
	h.mustPut(h.owner, "production/openai/KEY/BELOW", "below it")
	tok := h.token(h.owner, "secrets:read:production/openai/KEY")
	for _, spelled := range []string{
		"production/openai/KEY", "production%2Fopenai/KEY", "production%2fopenai/KEY",
		"%70roduction/openai/KE%59", "production/%6fpenai/KEY",
	} {
		req, r, _, err := sent(t, h, tok.Token, spelled)
		if err != nil || r == nil || string(r.Value.Reveal()) != "the value" {
			t.Errorf("%q: %v", spelled, err)
			continue
		}
		ev := h.last()
		if ev.RequestID != req.RequestID || ev.Namespace != "production/openai" || ev.Key != "KEY" || ev.Version != 1 {
			t.Errorf("%q is told as %s/%s version %d", spelled, ev.Namespace, ev.Key, ev.Version)
		}
	}
	if got := strings.Join(h.keys("secrets"), " "); got != "production/openai/KEY production/openai/KEY/BELOW" {
		t.Errorf("the store has %q", got)
	}
	_, _, _, err := sent(t, h, tok.Token, "production/openai/KEY/BELOW")
	wantCode(t, "what is below a path that may be read", err, api.CodeScopeDenied)
	t.Run("secret or listing", testSecretOrListing)
	t.Run("unseen is the same", testUnseenIsTheSame)
	t.Run("listings and counts", testListingsShowWhatIsReached)
}

// testSecretOrListing: which of them a GET means follows what the caller sees.
func testSecretOrListing(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "production/db", "both a secret")
	h.mustPut(h.owner, "production/db/PASSWORD", "and a namespace")
	for _, tc := range []struct {
		scope, get string
		want       string // a value, or the keys of a list in brackets, or a code
	}{
		{"secrets:read:production/db", "production/db", "both a secret"},
		{"secrets:read:*", "production/db", "both a secret"},
		{"secrets:read:production/db/*", "production/db", "[PASSWORD]"},
		{"secrets:read:production/db/PASSWORD", "production/db", "SCOPE_DENIED"},
		{"secrets:read:production/*", "production/none", "SECRET_NOT_FOUND"},
		{"secrets:read:production/none/*", "production/none", "[]"},
		{"secrets:read:production/none", "production/none", "SECRET_NOT_FOUND"},
		{"secrets:read:staging/*", "production/db", "SCOPE_DENIED"},
		{"secrets:write:*", "production/db", "SCOPE_DENIED"},
	} {
		_, r, list, err := sent(t, h, h.token(h.owner, tc.scope).Token, tc.get)
		got := string(api.CodeOf(err))
		switch {
		case err == nil && r != nil:
			got = string(r.Value.Reveal())
		case err == nil && list != nil:
			got = "[" + strings.Join(listed(list), " ") + "]"
		}
		if got != tc.want {
			t.Errorf("%s gets %s: %s, want %s", tc.scope, tc.get, got, tc.want)
		}
	}
}

func listed(list *api.SecretList) []string {
	keys := []string{}
	for _, i := range list.Items {
		keys = append(keys, i.Key)
	}
	return keys
}

// testUnseenIsTheSame: one who may not see a path is told the same whether it
// exists or not, and of whatever tier it is.
func testUnseenIsTheSame(t *testing.T) {
	h := newHouse(t)
	bot := h.limited("bot", []string{"production"}, "secrets:*:*")
	h.mustPut(h.owner, "staging/STANDARD", "v")
	h.mustPut(h.owner, "staging/CRITICAL", "v", tier("critical"))
	h.mustPut(h.owner, "staging/GONE", "v", tier("sensitive"))
	h.mustDelete(h.owner, "staging/GONE")
	answers := func(p string) []error {
		_, _, _, got := sent(t, h, bot.APIKey, p)
		_, put := h.put(bot.APIKey, p, "x")
		_, tok := h.v.IssueToken(ctx, h.as(bot.APIKey), api.TokenRequest{Scopes: []string{"secrets:read:" + p}})
		_, version := h.read(h.as(bot.APIKey), p, 7)
		return []error{got, put, tok, version, h.delete(bot.APIKey, p)}
	}
	want := answers("staging/NOTHING")
	for _, err := range want {
		wantCode(t, "nothing there", err, api.CodeScopeDenied)
	}
	for _, p := range []string{"staging/STANDARD", "staging/CRITICAL", "staging/GONE"} {
		if got := answers(p); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is answered %v, what is not there %v", p, got, want)
		}
	}
}

func testListingsShowWhatIsReached(t *testing.T) {
	h := newHouse(t)
	for _, p := range []string{"a/ONE", "a/TWO", "a/b/THREE", "ab/FOUR", "c/FIVE"} {
		h.mustPut(h.owner, p, "v")
	}
	h.mustPut(h.owner, "c/GONE", "v")
	h.mustDelete(h.owner, "c/GONE")
	bot := h.limited("bot", []string{"a", "c"}, "secrets:read:a/*", "secrets:read:c/F*")
	for _, tc := range []struct{ who, ns, want string }{
		{h.owner, "", "a/ONE a/TWO a/b/THREE ab/FOUR c/FIVE"},
		{h.owner, "a", "a/ONE a/TWO"},
		{h.owner, "a/b", "a/b/THREE"},
		{h.owner, "none", ""},
		{bot.APIKey, "", "a/ONE a/TWO a/b/THREE c/FIVE"},
		{bot.APIKey, "c", "c/FIVE"},
		{bot.APIKey, "ab", "SCOPE_DENIED"},
		{h.token(bot.APIKey, "secrets:read:a/TWO").Token, "", "a/TWO"},
		{h.token(bot.APIKey, "secrets:read:a/TWO").Token, "a", "a/TWO"},
		{h.token(bot.APIKey, "secrets:read:a/TWO").Token, "c", "SCOPE_DENIED"},
	} {
		var in policy.Namespace
		if tc.ns != "" {
			in = ns(t, tc.ns)
		}
		list, err := h.v.List(ctx, h.as(tc.who), in)
		got := string(api.CodeOf(err))
		if err == nil {
			var paths []string
			for _, i := range list.Items {
				paths = append(paths, i.Namespace+"/"+i.Key)
			}
			got = strings.Join(paths, " ")
		}
		if got != tc.want {
			t.Errorf("list of %q: %s, want %s", tc.ns, got, tc.want)
		}
	}
	for who, want := range map[string]string{
		h.owner:    "a:2 a/b:1 ab:1 c:1",
		bot.APIKey: "a:2 a/b:1 c:1",
		h.token(bot.APIKey, "namespaces:read").Token:  "a:2 a/b:1 c:1",
		h.token(bot.APIKey, "secrets:read:a/*").Token: "SCOPE_DENIED",
	} {
		spaces, err := h.v.Namespaces(ctx, h.as(who))
		got := string(api.CodeOf(err))
		if err == nil {
			var all []string
			for _, s := range spaces {
				all = append(all, s.Name+":"+string(rune('0'+s.SecretCount)))
			}
			got = strings.Join(all, " ")
		} else if spaces != nil {
			t.Errorf("%d namespaces came with %v", len(spaces), err)
		}
		if got != want {
			t.Errorf("namespaces: %s, want %s", got, want)
		}
	}
	me, err := h.v.Me(ctx, h.as(bot.APIKey))
	if err != nil || me.SecretCount != 4 || me.NamespaceCount != 3 || me.AgentCount != 1 || me.Kind != api.KindAgent || me.Chain != "" {
		t.Errorf("me of the agent: %+v, %v", me, err)
	}
}

// TestThreat11Scopes: an agent's reach is its namespaces and its scopes, at
// every use.
func TestThreat11Scopes(t *testing.T) {
	h := newHouse(t)
	for _, p := range []string{"production/KEY", "production/a/b/KEY", "production2/KEY", "prod/KEY", "staging/KEY"} {
		h.mustPut(h.owner, p, "v")
	}
	for _, tc := range []struct {
		namespaces, scopes string // separated by blanks
		act, path          string
		want               api.Code
	}{
		{"production", "secrets:read:*", "read", "production/KEY", ""},
		{"production", "secrets:read:*", "read", "production/a/b/KEY", ""},
		{"production/*", "secrets:read:*", "read", "production/a/b/KEY", ""},
		{"production", "secrets:read:*", "read", "production2/KEY", api.CodeScopeDenied},
		{"production", "secrets:read:*", "read", "staging/KEY", api.CodeScopeDenied},
		{"production/a", "secrets:read:*", "read", "production/KEY", api.CodeScopeDenied},
		{"*", "secrets:read:prod*/KEY", "read", "production2/KEY", ""},
		{"*", "secrets:read:prod*/KEY", "read", "production/a/b/KEY", api.CodeScopeDenied},
		{"*", "secrets:read:production/*", "read", "production/a/b/KEY", ""},
		{"*", "secrets:read:*/b/KEY", "read", "production/a/b/KEY", api.CodeScopeDenied},
		{"*", "secrets:read:*/a/*", "read", "production/a/b/KEY", ""},
		{"*", "secrets:read:*", "write", "production/KEY", api.CodeScopeDenied},
		{"*", "secrets:write:*", "read", "production/KEY", api.CodeScopeDenied},
		{"*", "secrets:write:*", "write", "production/KEY", ""},
		{"*", "secrets:write:*", "delete", "production/KEY", api.CodeScopeDenied},
		{"*", "secrets:delete:*", "write", "production/KEY", api.CodeScopeDenied},
		{"*", "secrets:rotate:*", "write", "production/KEY", api.CodeScopeDenied},
		{"*", "import:secrets", "write", "production/KEY", ""},
		{"*", "import:secrets", "delete", "production/KEY", api.CodeScopeDenied},
		{"staging", "write:secrets", "write", "production/KEY", api.CodeScopeDenied},
		{"staging", "write:secrets", "write", "staging/NEW", ""},
		{"*", "manage:agents", "read", "production/KEY", api.CodeScopeDenied},
		{"*", "manage:agents", "create agent", "", api.CodeScopeDenied},
		{"*", "manage:agents secrets:*:*", "revoke agent", "", api.CodeScopeDenied},
		{"*", "namespaces:read", "read", "production/KEY", api.CodeScopeDenied},
		{"*", "", "read", "production/KEY", ""}, // without scopes: secrets:read:*
		{"*", "", "write", "production/KEY", api.CodeScopeDenied},
		{"", "secrets:read:*", "read", "staging/KEY", ""}, // without namespaces: all
	} {
		who := h.limited("bot", strings.Fields(tc.namespaces), strings.Fields(tc.scopes)...)
		var err error
		switch tc.act {
		case "read":
			_, err = h.get(who.APIKey, tc.path)
		case "write":
			_, err = h.put(who.APIKey, tc.path, "v")
		case "delete":
			err = h.delete(who.APIKey, tc.path)
		case "create agent":
			_, err = h.v.CreateAgent(ctx, h.as(who.APIKey), api.AgentCreate{Name: "other"})
		case "revoke agent":
			err = h.v.RevokeAgent(ctx, h.as(who.APIKey), "bot")
		}
		wantCode(t, strings.Join([]string{tc.namespaces, tc.scopes, tc.act, tc.path}, " | "), err, tc.want)
		h.revokeAgent(who.ID)
	}
	for _, bad := range []api.AgentCreate{
		{Name: "x", AllowedScopes: []string{"secrets:read:production*"}},
		{Name: "x", AllowedScopes: []string{"secrets:fly:*"}},
		{Name: "x", AllowedNamespaces: []string{"prod*"}},
		{Name: "x", AllowedNamespaces: []string{"../etc"}},
		{Name: "x", Description: strings.Repeat("d", 1025)},
	} {
		_, err := h.v.CreateAgent(ctx, h.as(h.owner), bad)
		wantCode(t, "an agent with a limit that is none", err, api.CodeValidation)
	}
}

// TestTiers: what waits for approval is refused to agents as that, to owners
// never.
func TestTiers(t *testing.T) {
	h := newHouse(t)
	bot := h.agent("bot", "secrets:*:*")
	wild := h.token(bot.APIKey, "secrets:*:*")
	for _, tc := range []struct {
		tier               string
		read, write, erase api.Code
	}{
		{"standard", "", "", ""},
		{"sensitive", api.CodeApprovalRequired, "", ""},
		{"critical", api.CodeApprovalRequired, api.CodeApprovalRequired, api.CodeApprovalRequired},
	} {
		for _, who := range []string{bot.APIKey, wild.Token} {
			p := "tier/" + tc.tier
			h.mustPut(h.owner, p, "v", tier(tc.tier))
			_, err := h.get(who, p)
			wantCode(t, "read "+tc.tier, err, tc.read)
			_, err = h.put(who, p, "w")
			wantCode(t, "write "+tc.tier, err, tc.write)
			_, err = h.v.IssueToken(ctx, h.as(bot.APIKey), api.TokenRequest{Scopes: []string{"secrets:read:" + p}})
			wantCode(t, "a token to read "+tc.tier, err, tc.read)
			h.mustGet(h.owner, p, map[bool]string{true: "w", false: "v"}[tc.write == ""])
			wantCode(t, "delete "+tc.tier, h.delete(who, p), tc.erase)
			if tc.erase != "" {
				h.mustDelete(h.owner, p)
			}
		}
	}
}

func TestThreat12Identities(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, plain, "v")
	first := h.agent("Deploy.Bot-1", "secrets:read:*")
	tok := h.token(first.APIKey, "secrets:read:*")
	for _, name := range []string{"Deploy.Bot-1", "deploy.bot-1", "DEPLOY.BOT-1", "ada", "Ada", "assd"} {
		_, err := h.v.CreateAgent(ctx, h.as(h.owner), api.AgentCreate{Name: name})
		wantCode(t, "the name "+name+" again", err, api.CodeConflict)
	}
	for _, name := range []string{
		"", "-bot", ".bot", "_bot", "bo t", "bot/x", "bot\n", "böt", strings.Repeat("b", 65),
		first.ID, strings.ToUpper(first.ID), h.claim.OwnerID, "tok_aaaaaaaaaaaaaaaaaaaaaaaaaa",
	} {
		_, err := h.v.CreateAgent(ctx, h.as(h.owner), api.AgentCreate{Name: name})
		wantCode(t, "the name "+name, err, api.CodeValidation)
	}

	h.revokeAgent("DEPLOY.bot-1")
	wantCode(t, "a second revoke by id", h.v.RevokeAgent(ctx, h.as(h.owner), first.ID), api.CodeNotFound)
	wantCode(t, "a second revoke by name", h.v.RevokeAgent(ctx, h.as(h.owner), "deploy.bot-1"), api.CodeNotFound)
	wantCode(t, "a revoke of an owner", h.v.RevokeAgent(ctx, h.as(h.owner), h.claim.OwnerID), api.CodeNotFound)
	wantCode(t, "a revoke of nobody", h.v.RevokeAgent(ctx, h.as(h.owner), ""), api.CodeNotFound)
	second := h.agent("deploy.bot-1", "secrets:read:*")
	if second.ID == first.ID || second.APIKey == first.APIKey {
		t.Error("an id or a key was used again")
	}
	for _, text := range []string{first.APIKey, tok.Token} {
		_, err := h.get(text, plain)
		wantCode(t, "what the first holder of the name had", err, api.CodeUnauthorized)
	}
	h.mustGet(second.APIKey, plain, "v")
	if ev := h.last(); ev.Actor != (audit.Actor{ID: second.ID, Kind: "agent", Name: "deploy.bot-1"}) {
		t.Errorf("the read is told as of %+v", ev.Actor)
	}
	list, err := h.v.Agents(ctx, h.as(h.owner))
	if err != nil || len(list) != 1 || list[0].ID != second.ID || list[0].LastActiveAt == nil {
		t.Errorf("the living agents are %+v, %v", list, err)
	}

	_, err = h.v.Agents(ctx, h.as(second.APIKey))
	wantCode(t, "an agent lists agents", err, api.CodeScopeDenied)
	_, _, _, err = h.v.Audit(ctx, h.as(second.APIKey), audit.Filter{}, 10)
	wantCode(t, "an agent reads the trail", err, api.CodeScopeDenied)
	other := h.agent("other", "secrets:read:*")
	theirs := h.token(other.APIKey, "secrets:read:*")
	wantCode(t, "an agent ends another's token", h.v.RevokeToken(ctx, h.as(second.APIKey), theirs.TokenID), api.CodeNotFound)
	own, err := h.v.Tokens(ctx, h.as(second.APIKey))
	if err != nil || len(own) != 0 {
		t.Errorf("an agent sees %d tokens, %v", len(own), err)
	}
}
