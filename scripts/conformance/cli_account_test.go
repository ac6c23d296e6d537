package conformance_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cliAccount: who one is and where, and the two commands that need no daemon.
func (w *world) cliAccount(t *testing.T) {
	t.Run("login", w.cliLogin)
	t.Run("logout", w.cliLogout)
	t.Run("whoami", w.cliWhoami)
	t.Run("status", w.cliStatus)
	t.Run("init", w.cliInit)
	t.Run("open", w.cliOpen)
	t.Run("version", func(t *testing.T) {
		w.person(t, "version", w.vault, "").ass(t, "--version").ok(t).shows(t, "1.0.0")
	})
}

// stored is what the CLI keeps in its home.
type stored struct{ APIKey, Email, Name, Plan string }

func (p *person) stored(t *testing.T) stored {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.home, "config", "@agentsecretstore", "*", "config.json"))
	if err != nil || len(files) > 1 {
		t.Fatalf("the CLI keeps %q, %v", files, err)
	}
	var s stored
	if len(files) == 0 {
		return s
	}
	if err := json.Unmarshal([]byte(read(t, files[0])), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) cliLogin(t *testing.T) {
	p := w.person(t, "login", w.vault, "")
	p.ass(t, "whoami").fails(t, "Not authenticated.")
	p.ass(t, "login", "--key", "ask_live_thisisnosuchkeyatall").fails(t, "Invalid API key.")
	if s := p.stored(t); s.APIKey != "" {
		t.Errorf("a wrong key is kept")
	}
	p.ass(t, "login", "--key", w.vault.key).ok(t).shows(t, "Logged in")
	if s := p.stored(t); s.APIKey != w.vault.key || s.Name == "" || s.Plan == "" {
		t.Errorf("the CLI keeps a wrong key, or the name %q, the plan %q", s.Name, s.Plan)
	}
	p.ass(t, "whoami").ok(t)

	q := w.person(t, "login-terminal", w.vault, "")
	x := q.sit(t, "login")
	x.expect("Paste your API key").press("short" + enter).expect("look like a valid API key")
	x.press(strings.Repeat("\x7f", len("short")) + w.vault.key + enter)
	if r := x.end().ok(t).shows(t, "Logged in"); strings.Contains(r.stdout, w.vault.key) {
		t.Error("the key is on the screen")
	}
	if s := q.stored(t); s.APIKey != w.vault.key {
		t.Error("the key is not kept")
	}
}

func (w *world) cliLogout(t *testing.T) {
	p := w.person(t, "logout", w.vault, "")
	p.ass(t, "logout").ok(t) // nothing to do
	p.ass(t, "login", "--key", w.vault.key).ok(t)
	p.sit(t, "logout").expect("Sign out").press("n").end().ok(t)
	if p.stored(t).APIKey == "" {
		t.Error("logged out after no")
	}
	p.sit(t, "logout").expect("Sign out").press("y").end().ok(t).shows(t, "Signed out")
	if p.stored(t) != (stored{}) {
		t.Error("still logged in after yes")
	}
	p.ass(t, "login", "--key", w.vault.key).ok(t)
	p.ass(t, "logout", "--force").ok(t)
	p.ass(t, "whoami").fails(t, "Not authenticated.")
}

func (w *world) cliWhoami(t *testing.T) {
	p := w.person(t, "whoami", w.vault, w.vault.key)
	var me struct {
		ID, Name, Plan, Kind string
		Email                *string // a vault of one's own knows none
		SubscriptionStatus   string  `json:"subscription_status"`
		SecretCount          *int    `json:"secret_count"`
		AgentCount           *int    `json:"agent_count"`
	}
	p.json(t, &me, "whoami")
	if me.ID == "" || me.Name == "" || me.Email == nil || me.Plan == "" || me.SubscriptionStatus == "" ||
		me.Kind != "owner" || me.SecretCount == nil || me.AgentCount == nil {
		t.Errorf("whoami --json: %+v", me)
	}
	p.ass(t, "whoami").ok(t).shows(t, me.Name, me.SubscriptionStatus)

	agent := w.person(t, "whoami-agent", w.vault, w.vault.agent(t, "whoami", []string{"production"}, nil))
	agent.json(t, &me, "whoami")
	if me.Name != "whoami" || me.Kind != "agent" {
		t.Errorf("whoami --json of an agent: %+v", me)
	}
}

func (w *world) cliStatus(t *testing.T) {
	type status struct {
		API struct {
			URL, Status, Version string
			Error                *string
		}
		Auth struct {
			LoggedIn bool `json:"logged_in"`
		}
	}
	p := w.person(t, "status", w.vault, "")
	var s status
	p.json(t, &s, "status")
	if s.API.Status != "ok" || s.API.URL != w.vault.url || s.API.Version == "" || s.API.Error != nil || s.Auth.LoggedIn {
		t.Errorf("status --json: %+v", s)
	}
	p.ass(t, "status").ok(t).shows(t, "Operational", w.vault.url, s.API.Version)

	p.env = append(p.env, "ASS_API_URL=https://"+freeAddr(t))
	p.json(t, &s, "status")
	if s.API.Status != "down" || s.API.Error == nil {
		t.Errorf("status --json where nobody listens: %+v", s)
	}
	p.ass(t, "status").ok(t).shows(t, "Unreachable")
}

func (w *world) cliInit(t *testing.T) {
	p := w.person(t, "init", w.vault, "")
	write(t, filepath.Join(p.work, ".gitignore"), "bin\n", 0o600)
	p.ass(t, "init", "--namespace", "staging/web").ok(t)
	var rc struct{ Namespace string }
	if err := json.Unmarshal([]byte(read(t, filepath.Join(p.work, ".assrc"))), &rc); err != nil || rc.Namespace != "staging/web" {
		t.Errorf(".assrc: %+v, %v", rc, err)
	}
	if !strings.Contains(read(t, filepath.Join(p.work, ".gitignore")), ".assrc") {
		t.Error(".assrc is not ignored")
	}
	p.ass(t, "init", "--namespace", "other").ok(t).shows(t, "staging/web")

	q := w.person(t, "init-terminal", w.vault, "")
	q.sit(t, "init").expect("Default namespace").press("my team" + enter).expect("can only contain").
		press(strings.Repeat("\x7f", len("my team")) + "team/app" + enter).end().ok(t)
	if !strings.Contains(read(t, filepath.Join(q.work, ".assrc")), `"team/app"`) {
		t.Error("the namespace typed is not in .assrc")
	}
}

// cliOpen puts a browser opener of ours on the path, which notes what it is
// given, so that nothing is launched.
func (w *world) cliOpen(t *testing.T) {
	p := w.person(t, "open", w.vault, "")
	note := filepath.Join(p.home, "opened")
	openers := w.folder(t, "openers")
	for _, name := range []string{"xdg-open", "open"} {
		write(t, filepath.Join(openers, name), "#!/bin/sh\necho \"$@\" >"+note+".new && mv "+note+".new "+note+"\n", 0o700)
	}
	p.ass(t, "open").ok(t)
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if b, err := os.ReadFile(note); err == nil {
			if !strings.Contains(string(b), "/dashboard") {
				t.Errorf("opened %q", b)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatal("nothing was opened")
		}
	}
}
