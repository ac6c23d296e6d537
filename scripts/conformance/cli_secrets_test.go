package conformance_test

import (
	"net/http"
	"strings"
	"testing"
)

// cliSecrets: every subcommand of secrets, as owner and as agent, with the key
// sent straight to the secrets routes.
func (w *world) cliSecrets(t *testing.T) {
	owner := w.person(t, "secrets", w.vault, w.vault.key)
	t.Run("exact", func(t *testing.T) { w.cliExact(t, owner) })
	t.Run("set", func(t *testing.T) { w.cliSet(t, owner) })
	t.Run("get", func(t *testing.T) { w.cliGet(t, owner) })
	t.Run("list", func(t *testing.T) { w.cliList(t, owner) })
	t.Run("delete", func(t *testing.T) { w.cliDelete(t, owner) })
	t.Run("rotate", func(t *testing.T) { w.cliRotate(t, owner) })
	t.Run("agent", w.cliSecretsAgent)
}

// awkward are values that a wire, a shell or a log could mangle, by their paths.
var awkward = map[string]string{
	"production/PLAIN":         value("plain"),
	"production/api/NESTED":    value("below"),
	"production/a/b/c/DEEPER":  value("further below"),
	"production/LINES":         value("one\ntwo\r\n\tthree\n\n"),
	"production/QUOTES":        value(`'single' "double" \back\ $HOME ${X} %s %2F <&>` + "`tick`"),
	"production/UNICODE":       value("héllo ☃ 日本 🔐 \u202e"),
	"production/ROOMY":         value("  ends in spaces  "),
	"production/LONG":          value(strings.Repeat("0123456789abcdef", 7000)),
	"production/dots.and-dash": value("a name with . and -"),
}

// cliExact: what is set is what is got, byte for byte.
func (w *world) cliExact(t *testing.T, owner *person) {
	for path, text := range awkward {
		owner.ass(t, "secrets", "set", path, text, "--type", "api_key", "--tier", "standard").ok(t)
		w.audited(t, "secret.write", path)
		if r := owner.ass(t, "secrets", "get", path).ok(t); r.stdout != text {
			t.Errorf("%s: stored %d bytes, got %d: %q", path, len(text), len(r.stdout), cut(r.stdout))
		}
		w.audited(t, "secret.read", path)
	}
}

// info is a secret as the API and --json tell it.
type info struct {
	Namespace, Key, Value string
	Version               int
	SecretType            string `json:"secret_type"`
	AccessTier            string `json:"access_tier"`
	CreatedAt             string `json:"created_at"`
	UpdatedAt             string `json:"updated_at"`
}

// secret reads a secret by the API, as the owner.
func (w *world) secret(t *testing.T, path string) info {
	t.Helper()
	var i info
	if status := w.vault.call(t, "GET", "/v1/secrets/"+path, w.vault.key, nil, &i); status != http.StatusOK {
		t.Fatalf("reading %q: status %d", path, status)
	}
	w.audited(t, "secret.read", path)
	return i
}

func (w *world) cliSet(t *testing.T, owner *person) {
	const path = "prompted/KEY"
	text := value("typed at a prompt")
	x := owner.sit(t, "secrets", "set", path)
	x.expect("Value for").press(enter).expect("Value cannot be empty").press(text + enter)
	x.expect("Secret type").press(down + enter) // the second: oauth_token
	x.expect("Access tier").press(enter)
	if r := x.end().ok(t); strings.Contains(r.stdout, text) {
		t.Error("the value is on the screen")
	}
	w.audited(t, "secret.write", path)
	if i := w.secret(t, path); i.Value != text || i.Version != 1 || i.SecretType != "oauth_token" || i.AccessTier != "standard" {
		t.Errorf("stored %+v", i)
	}
	// A new value, and a tier from the prompt.
	x = owner.sit(t, "secrets", "set", path, text+" again", "-t", "ssh_key")
	x.expect("Access tier").press(down + enter).end().ok(t)
	w.audited(t, "secret.write", path)
	if i := w.secret(t, path); i.Value != text+" again" || i.Version != 2 || i.SecretType != "ssh_key" || i.AccessTier != "sensitive" {
		t.Errorf("stored %+v", i)
	}
	// What is called off is not stored.
	owner.sit(t, "secrets", "set", "prompted/NONE").expect("Value for").press(ctrlC).end().ok(t)
	owner.ass(t, "secrets", "get", "prompted/NONE").fails(t, "Not found.")
	for _, secretType := range []string{"api_key", "db_credential", "certificate", "custom"} {
		owner.ass(t, "secrets", "set", "typed/"+secretType, value(secretType), "--type", secretType, "--tier", "critical").ok(t)
		if i := w.secret(t, "typed/"+secretType); i.SecretType != secretType || i.AccessTier != "critical" {
			t.Errorf("stored %+v", i)
		}
	}
	owner.ass(t, "secrets", "set", "typed/NONE", value("none"), "--type", "nonsense", "--tier", "standard").fails(t)
	owner.ass(t, "secrets", "set", "typed/NONE", value("none"), "--type", "custom", "--tier", "nonsense").fails(t)
	owner.ass(t, "secrets", "set", "NOSLASH", value("none"), "--type", "custom", "--tier", "standard").fails(t, "namespace/KEY")
	owner.ass(t, "secrets", "set", "bad name/KEY", value("none"), "--type", "custom", "--tier", "standard").fails(t)
	owner.ass(t, "secrets", "set", "up/../KEY", value("none"), "--type", "custom", "--tier", "standard").fails(t)
}

func (w *world) cliGet(t *testing.T, owner *person) {
	const path = "production/api/NESTED"
	var got struct {
		Path, Value string
		Version     int
		UpdatedAt   string `json:"updated_at"`
	}
	owner.json(t, &got, "secrets", "get", path)
	if got.Path != path || got.Value != awkward[path] || got.Version != 1 || got.UpdatedAt == "" {
		t.Errorf("get --json: %+v", got)
	}
	if r := owner.ass(t, "secrets", "get", "-", "-n", "production/api", "-k", "NESTED").ok(t); r.stdout != awkward[path] {
		t.Errorf("get -n -k: %q", r.stdout)
	}
	owner.sit(t, "secrets", "get", path).end().ok(t).shows(t, path, awkward[path], "version 1", "s ago")
	owner.ass(t, "secrets", "get", "production/api/NOSUCH").fails(t, "Not found.")
	owner.ass(t, "secrets", "get", "NOSLASH").fails(t, "namespace/KEY")
}

func (w *world) cliList(t *testing.T, owner *person) {
	var list struct {
		Namespace string
		Items     []info
	}
	owner.json(t, &list, "secrets", "list", "typed")
	if list.Namespace != "typed" || len(list.Items) != 4 {
		t.Errorf("list --json: %+v", list)
	}
	for _, i := range list.Items {
		if i.Namespace != "typed" || i.SecretType != i.Key || i.AccessTier != "critical" || i.Version != 1 ||
			i.CreatedAt == "" || i.UpdatedAt == "" || i.Value != "" {
			t.Errorf("list --json: %+v", i)
		}
	}
	owner.ass(t, "secrets", "list", "typed").ok(t).shows(t, "typed/certificate", "db_credential", "critical", "s ago")
	owner.ass(t, "secrets", "list", "production/api").ok(t).shows(t, "production/api/NESTED")
	owner.json(t, &list, "secrets", "list", "nothing/here")
	if len(list.Items) != 0 || list.Items == nil {
		t.Errorf("list --json of an empty namespace: %+v", list)
	}
	owner.ass(t, "secrets", "list").ok(t) // of the namespace default
	w.vault.put(t, "default/KEY", value("default"), "standard")
	owner.ass(t, "secrets", "list").ok(t).shows(t, "default/KEY")
}

func (w *world) cliDelete(t *testing.T, owner *person) {
	for path, remove := range map[string]func(path string) result{
		"doomed/TERMINAL": func(path string) result {
			return owner.sit(t, "secrets", "delete", path).expect("Delete").press("y").end()
		},
		"doomed/FORCE":   func(path string) result { return owner.ass(t, "secrets", "delete", path, "--force") },
		"doomed/a/ALIAS": func(path string) result { return owner.ass(t, "secrets", "rm", path, "-f") },
	} {
		w.vault.put(t, path, value("doomed"), "standard")
		owner.sit(t, "secrets", "delete", path).expect("Delete").press("n").end().ok(t)
		owner.ass(t, "secrets", "get", path).ok(t)
		remove(path).ok(t)
		w.audited(t, "secret.delete", path)
		owner.ass(t, "secrets", "get", path).fails(t, "Not found.")
		owner.ass(t, "secrets", "delete", path, "-f").fails(t, "Not found.")
	}
}

// cliRotate: without a rotator the value stays, and a rotation is asked for.
func (w *world) cliRotate(t *testing.T, owner *person) {
	const path = "rotated/api/KEY"
	text := value("to be rotated")
	w.vault.put(t, path, text, "standard")
	owner.sit(t, "secrets", "rotate", path).expect("Rotate").press("n").end().ok(t)
	owner.sit(t, "secrets", "rotate", path).expect("Rotate").press("y").end().ok(t).shows(t, "Secret rotated")
	w.audited(t, "secret.rotation_pending", path)
	owner.ass(t, "secrets", "rotate", path, "-f").ok(t).shows(t, "Secret rotated")
	owner.ass(t, "secrets", "rotate", "rotated/NOSUCH", "-f").fails(t, "Not found.")
	if i := w.secret(t, path); i.Value != text {
		t.Errorf("after the rotation: %+v", i)
	}
}

func (w *world) cliSecretsAgent(t *testing.T) {
	key := w.vault.agent(t, "hand", []string{"workshop"}, []string{
		"secrets:read:workshop/*", "secrets:write:workshop/*", "secrets:delete:workshop/*", "secrets:rotate:workshop/*",
	})
	agent := w.person(t, "hand", w.vault, key)
	const path = "workshop/tools/KEY"
	text := value("an agent's")
	agent.ass(t, "secrets", "set", path, text, "--type", "custom", "--tier", "standard").ok(t)
	w.audited(t, "secret.write", path)
	if r := agent.ass(t, "secrets", "get", path).ok(t); r.stdout != text {
		t.Errorf("got %q", r.stdout)
	}
	w.audited(t, "secret.read", path)
	agent.ass(t, "secrets", "list", "workshop/tools").ok(t).shows(t, path)
	agent.ass(t, "secrets", "rotate", path, "-f").ok(t)
	agent.ass(t, "secrets", "delete", path, "-f").ok(t)
	w.audited(t, "secret.delete", path)
	agent.ass(t, "secrets", "get", path).fails(t, "Not found.")

	agent.ass(t, "secrets", "get", "production/PLAIN").fails(t, "Permission denied.")
	w.audited(t, "secret.read.denied", "production/PLAIN")
	agent.ass(t, "secrets", "get", "production/NOSUCH").fails(t, "Permission denied.")
	agent.ass(t, "secrets", "set", "production/PLAIN", text, "--type", "custom", "--tier", "standard").fails(t, "Permission denied.")
	w.audited(t, "secret.write.denied", "production/PLAIN")
	agent.ass(t, "secrets", "delete", "production/PLAIN", "-f").fails(t, "Permission denied.")
	agent.ass(t, "secrets", "list", "production").fails(t, "Permission denied.")
}
