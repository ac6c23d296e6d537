package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	goodURL    = `url = "https://hooks.example.com/T0KEN"` + "\n"
	goodEvents = `events = ["approval.request"]` + "\n"
	goodSecret = `secret_file = "/etc/assd/hook.secret"` + "\n"
	goodHook   = "[[webhook]]\n" + goodURL + goodEvents + goodSecret
)

// TestWebhookTables: what is wrong is named, in the table where it stands, and no error
// tells a URL, which may hold a token, or what may be a secret.
func TestWebhookTables(t *testing.T) {
	app, err := grammar()
	if err != nil {
		t.Fatal(err)
	}
	hook := func(lines ...string) string { return "[[webhook]]\n" + strings.Join(lines, "\n") + "\n" }
	named := func(n int) (all string) {
		for i := range n {
			all += goodHook + fmt.Sprintf("name = \"n%d\"\n", i)
		}
		return all
	}
	for _, tc := range []struct{ text, want string }{ // "": it is taken
		{"", ""}, {goodHook, ""}, {named(10), ""},
		{hook(goodURL, goodSecret, `events = ["*"]`), ""},
		{hook(goodURL, goodSecret, `events = ["secret.*", "secret.expiring", "secret.export", "auth.failed", "secret.read.denied", "secret.read.*"]`), ""},
		{hook(`url = "http://127.0.0.1:8080/T0KEN"`, goodEvents, goodSecret, `ca_file = "/etc/assd/ca.pem"`, `name = "chat"`), ""},

		{named(11), "there are more than 10 tables [[webhook]]"},
		{"[webhook]\n" + goodURL, "webhook is a list of tables, each below a line [[webhook]]"},
		{"webhook = [1]\n", "webhook is a list of tables"},
		{"[[webhooks]]\n" + goodURL, `knows no "webhooks"; the tables are [limits], [[rotator]], [[webhook]], [[checkpoint]]`},
		{hook(goodEvents, goodSecret), `[[webhook]] 1: url is missing: url = "https://`},
		{goodHook + hook(goodURL, goodSecret), "[[webhook]] 2: events is missing"},
		{hook(goodURL, goodEvents), "secret_file is missing"},
		{goodHook + goodHook, "[[webhook]] 2: another one is called hooks.example.com: give each a name"},
		{goodHook + "name = \"Chat\"\n" + goodHook + "name = \"chat\"\n", "another one is called chat"},

		{hook(`url = "hooks.example.com/T0KEN"`), "url: it must begin with https://"},
		{hook(`url = "http://hooks.example.com/T0KEN"`), "url: http goes to this machine alone"},
		{hook(`url = "https://T0KEN@hooks.example.com/"`), "url: it has a user name"},
		{hook(`url = "https://hooks.example.com/#T0KEN"`), "url: it has a fragment"},
		{hook(`url = 7`), "url is text in quotes"},
		{hook(`url = "http://[::1]:80/T0KEN"`, goodEvents, goodSecret), "name is missing, and the host cannot be one"},

		{hook(`events = []`), "events is a list of 1 to 100 actions"},
		{hook(`events = "approval.request"`), "events is a list of 1 to 100 actions"},
		{hook(`events = [1]`), "events: an action is text in quotes"},
		{hook(`events = ["approval.requests"]`), `events: there is no action "approval.requests"; is it approval.request?`},
		{hook(`events = ["aproval.*"]`), "is it approval.*?"},
		{hook(`events = ["everything"]`), `there is no action "everything"; they are those of the trail`},
		{hook(`events = ["secret.re*"]`), `there is no action "secret.re*"`},
		{hook(`events = [""]`), `there is no action ""`},
		{hook(`events = ["webhook.failed"]`), `"webhook.failed": of webhooks themselves no webhook tells`},
		{hook(`events = ["webhook.*"]`), "of webhooks themselves"},
		{hook(`events = ["approval.request", "approval.request"]`), "stands there twice"},

		{hook(`secret_file = "hook.secret"`), "secret_file is a path from the root"},
		{hook(`ca_file = "ca.pem"`), "ca_file is a path from the root"},
		{hook(`secret_file = 1`), "secret_file is text in quotes"},
		{hook(`secret = "hunter2"`), `knows no "secret" in [[webhook]]`},
		{hook(`secretfile = "hunter2"`), "is it secret_file?"},
		{hook(`listen = ":8443"`), "a setting of assd itself stands above the first table"},
		{hook(`name = "-"`), "name: name must begin with a letter or digit"},
		{hook(`name = 1`), "name is text in quotes"},
	} {
		_, err := parseConfig("assd.toml", []byte(tc.text), app)
		switch {
		case tc.want == "" && err != nil, tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s\n%v; want %q", tc.text, err, tc.want)
		case err != nil && (strings.Contains(err.Error(), "T0KEN") || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("it tells: %v", err)
		}
	}
}

// TestWebhookFiles: a secret that others can read, or that is none, is refused.
func TestWebhookFiles(t *testing.T) {
	const secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	for _, tc := range []struct {
		text string
		mode os.FileMode
		want string
	}{
		{secret + "\n", 0o600, ""}, {secret + "\n" + secret, 0o400, ""},
		{secret, 0o640, "chmod go-rwx"}, {secret, 0o604, "chmod go-rwx"},
		{"hunter2", 0o600, `does not begin with "whsec_"; what to write into it prints: echo "whsec_$(openssl rand -base64 32)"`},
		{"", 0o600, "it is empty"}, {strings.Repeat("x", 2000), 0o600, "longer than 1024 bytes"},
	} {
		path := filepath.Join(t.TempDir(), "hook.secret")
		if err := os.WriteFile(path, []byte(tc.text), tc.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tc.mode); err != nil {
			t.Fatal(err)
		}
		_, err := openHooks([]hook{{name: "chat", secretFile: path}})
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "webhook chat: ") || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%q, %v: %v; want %q", tc.text, tc.mode, err, tc.want)
		}
		_, err = openHooks([]hook{{name: "chat", secretFile: path, caFile: path}})
		if tc.want == "" && (err == nil || !strings.Contains(err.Error(), "holds no certificate in PEM")) {
			t.Errorf("%v", err)
		}
	}
	if _, err := openHooks([]hook{{name: "chat", secretFile: "/nowhere/hook.secret"}}); err == nil || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("%v", err)
	}
}
