package vault_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// hints are what a system would say of a process, and how often it was asked.
type hints struct {
	list  []api.Process
	asked int
}

func (h *hints) Processes() []api.Process { h.asked++; return h.list }

// TestThreat20Hints: who asks is what the daemon has found out, kept with the request
// as data, whatever a process calls itself; it is asked for only when a request is
// opened.
func TestThreat20Hints(t *testing.T) {
	d := newDesk(t)
	at := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
	want := []api.Process{
		{PID: 4242, Name: "evil\x1b[2J\u202egnp\n\x00", Exe: "", StartedAt: &at},
		{PID: 7, Name: strings.Repeat("x", 15), Exe: "/usr/bin/tmux: server (deleted)", StartedAt: nil},
	}
	h := &hints{list: want}
	o := local(1000)
	o.Hints = h
	ask := func() string {
		_, err := d.read(d.from(d.mia.APIKey, o), sensitive, 0)
		return d.asked("a read", err)
	}
	id := ask()
	d.reopen()
	got := d.request(id)
	diff(t, "the processes", got.Process, want)
	if ask() != id || h.asked != 1 {
		t.Errorf("the system was asked %d times", h.asked)
	}
	for _, ev := range d.trail(audit.Filter{}) {
		if strings.Contains(ev.Reason, "evil") || ev.Subject != nil && strings.Contains(ev.Subject.Name, "evil") {
			t.Errorf("the trail says it: %+v", ev.Event)
		}
	}
	if got := d.request(d.askToRead(d.mia.APIKey, guarded)); got.Process == nil || len(got.Process) != 0 {
		t.Errorf("without hints they are %v", got.Process)
	}
	// Forged by the asker, nothing of it is believed: only the source is a fact.
	if got.Source != "local uid 1000" || got.AgentID != "mia" {
		t.Errorf("it is said to come from %q of %q", got.AgentID, got.Source)
	}
}

// TestThreat20Reason: what an agent says of itself is one line of bounded length
// without anything that a terminal acts on, and is marked as its own words.
func TestThreat20Reason(t *testing.T) {
	long := strings.Repeat("ab ", 200)
	for name, tc := range map[string]struct{ says, want string }{
		"plain":         {"to deploy, as agreed with Ada", "to deploy, as agreed with Ada"},
		"nothing":       {"", ""},
		"blanks":        {" \t\n ", ""},
		"lines":         {"one\ntwo\r\nthree", "one two three"},
		"escapes":       {"\x1b[31mred\x1b[0m\a", "[31mred [0m"},
		"bidi":          {"safe\u202eelif\u2066x\u2069", "safe elif x"},
		"invisible":     {"a\u200b\u00ad\ufeffb\u2028c", "a b c"},
		"other blanks":  {"a\u00a0b\u3000c", "a b c"},
		"not UTF-8":     {"a\xff\xfeb", "ab"},
		"other letters": {"für дело 你好 🔑", "für дело 你好 🔑"},
		"long":          {long, long[:api.MaxClaim] + "…"},
		"long letters":  {strings.Repeat("ü", 301), strings.Repeat("ü", 300) + "…"},
		"just so long":  {strings.Repeat("ü", 300), strings.Repeat("ü", 300)},
		"very long":     {strings.Repeat("\n", 1<<20) + "x", ""},
		"quotes":        {`<b>"x"</b> \n`, `<b>"x"</b> \n`},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			id := d.askFor(d.mia.APIKey, api.TokenRequest{Scopes: []string{"secrets:read:" + sensitive}, Reason: tc.says})
			got := d.request(id)
			switch {
			case tc.want == "" && got.ClaimedReason != nil:
				t.Errorf("it says %q", *got.ClaimedReason)
			case tc.want != "" && (got.ClaimedReason == nil || *got.ClaimedReason != tc.want):
				t.Errorf("it says %q, want %q", *got.ClaimedReason, tc.want)
			}
			if got.Reason != nil || strings.Contains(got.Because, tc.want) && tc.want != "" {
				t.Errorf("its words are taken for others': %+v", got)
			}
			for _, ev := range d.trail(audit.Filter{Action: string(audit.ApprovalRequest)}) {
				if strings.ContainsFunc(ev.Reason, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(ev.Reason) || len(ev.Reason) > 2000 {
					t.Errorf("the trail says %q", ev.Reason)
				}
				if tc.want != "" && !strings.HasSuffix(ev.Reason, ": it says: "+tc.want) {
					t.Errorf("the trail says %q", ev.Reason)
				}
			}
		})
	}
}
