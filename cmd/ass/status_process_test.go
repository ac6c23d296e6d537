package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// What a daemon could not have of its confinement is shown, quoted, and a daemon that
// does not say has no row.
func TestStatusOfTheProcess(t *testing.T) {
	for name, tc := range map[string]struct {
		told api.Protection
		want []string
		not  []string
	}{
		"full":    {api.Protection{Confined: "full"}, []string{"│ Confined: ✓ to the daemon's own folders\n"}, []string{"Runs as root"}},
		"partial": {api.Protection{Confined: "partial", ConfinedLacks: "it can\x1b[2J listen"}, []string{"│ Confined: ✗ in part: it can", " listen\n"}, []string{"\x1b"}},
		"none":    {api.Protection{Confined: "none", ConfinedLacks: "only Linux has Landlock", RunsAsRoot: true}, []string{"│ Confined: ✗ not: only Linux has Landlock\n", "│ Runs as root: ✗ ", "assd --user NAME\n"}, nil},
		"older":   {api.Protection{}, nil, []string{"Confined", "Runs as root"}},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/v1/health":
				json.NewEncoder(w).Encode(api.Health{Status: "ok"})
				return
			case "/v1/audit/checkpoint": // a daemon that is too old to know of it
				w.WriteHeader(http.StatusNotFound)
				json.NewEncoder(w).Encode(api.ErrorBody{Error: *api.New(api.CodeNotFound, "there is no such route")})
				return
			}
			json.NewEncoder(w).Encode(api.Me{Kind: api.KindOwner, Chain: "ok", Protection: &tc.told})
		}))
		stdout, stderr, code := ass(t, srv.URL, "status")
		srv.Close()
		if code != 0 {
			t.Errorf("%s: exit code %d, %q", name, code, stderr)
		}
		for _, want := range tc.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: %q is not in\n%s", name, want, stdout)
			}
		}
		for _, not := range tc.not {
			if strings.Contains(stdout, not) {
				t.Errorf("%s: %q is in\n%s", name, not, stdout)
			}
		}
	}
}
