package vault_test

import (
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// An agent may not be called what an owner or the daemon is called: the trail
// names those who act.
func TestNamesOfOthers(t *testing.T) {
	h := newHouse(t)
	me, err := h.v.Me(ctx, h.as(h.owner))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{me.Name, "assd", "ASSD", "daemon", "unknown", "many"} {
		_, err := h.v.CreateAgent(ctx, h.as(h.owner), api.AgentCreate{Name: name})
		wantCode(t, "an agent named "+name, err, api.CodeConflict)
	}
}

// namespaces:read shows no more than the other scopes of the token reach; alone
// it shows what the holder does.
func TestNamespacesOfAToken(t *testing.T) {
	h := newHouse(t)
	h.mustPut(h.owner, "seen/A", "v")
	h.mustPut(h.owner, "seen/B", "v")
	h.mustPut(h.owner, "hidden/A", "v")
	for _, tc := range []struct {
		scopes []string
		want   map[string]int
	}{
		{[]string{"namespaces:read"}, map[string]int{"seen": 2, "hidden": 1}},
		{[]string{"namespaces:read", "secrets:read:seen/A"}, map[string]int{"seen": 1}},
		{[]string{"namespaces:read", "secrets:read:seen/*"}, map[string]int{"seen": 2}},
	} {
		list, err := h.v.Namespaces(ctx, h.as(h.token(h.owner, tc.scopes...).Token))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, n := range list {
			got[n.Name] = n.SecretCount
		}
		if len(got) != len(tc.want) {
			t.Errorf("%q shows %v, want %v", tc.scopes, got, tc.want)
		}
		for name, n := range tc.want {
			if got[name] != n {
				t.Errorf("%q shows %d in %s, want %d", tc.scopes, got[name], name, n)
			}
		}
	}
}
