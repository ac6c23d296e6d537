package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

func TestTurnProgress(t *testing.T) {
	for want, turn := range map[string]api.KeyTurn{
		"counting values": {Stage: api.KeyTurnRewrapping},
		"[" + strings.Repeat(".", 30) + "] 0 of 3 values wrapped anew":                           {Stage: api.KeyTurnRewrapping, Total: 3},
		"[" + strings.Repeat("#", 10) + strings.Repeat(".", 20) + "] 1 of 3 values wrapped anew": {Stage: api.KeyTurnRewrapping, Done: 1, Total: 3},
		"[" + strings.Repeat("#", 30) + "] 1 of 1 value wrapped anew":                            {Stage: api.KeyTurnRewrapping, Done: 1, Total: 1},
		"[" + strings.Repeat("#", 30) + "] 9 of 2 values wrapped anew":                           {Stage: api.KeyTurnRewrapping, Done: 9, Total: 2},
		"counting records": {Stage: api.KeyTurnAuthenticating},
		"[" + strings.Repeat("#", 15) + strings.Repeat(".", 15) + "] 2 of 4 records authenticated anew": {Stage: api.KeyTurnAuthenticating, Done: 2, Total: 4},
		"compacting the data file": {Stage: api.KeyTurnCompacting, Done: 3, Total: 3},
	} {
		if got := bar(&turn) + howFar(&turn); got != want {
			t.Errorf("%+v: %q, want %q", turn, got, want)
		}
	}
	var lines []string
	p := &turnProgress{note: func(s string) { lines = append(lines, s) }}
	for n := range 100 {
		p.at(&api.KeyTurn{Stage: api.KeyTurnRewrapping, Done: n, Total: 100})
	}
	if want := []string{"0 of 100 values wrapped anew"}; !slices.Equal(lines, want) {
		t.Errorf("where there is no terminal it says %q", lines)
	}
}
