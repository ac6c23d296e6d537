package conformance_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// cliEnv: .env files in and out again.
func (w *world) cliEnv(t *testing.T) {
	owner := w.person(t, "env", w.vault, w.vault.key)
	t.Run("import", func(t *testing.T) { w.cliImport(t, owner) })
	t.Run("dry run", func(t *testing.T) { w.cliDryRun(t, owner) })
	t.Run("assrc", func(t *testing.T) { w.cliImportAssrc(t, owner) })
	t.Run("export", func(t *testing.T) { w.cliExport(t, owner) })
	t.Run("large", func(t *testing.T) { w.cliImportLarge(t, owner) })
	t.Run("refused", func(t *testing.T) { w.cliImportRefused(t, owner) })
}

func (w *world) cliImport(t *testing.T, owner *person) {
	write(t, filepath.Join(owner.work, ".env"), "# comment\nexport FIRST="+marker+"1\nSECOND=\""+marker+" two\\nlines\"\n\nTHIRD='"+marker+" $HOME'\n", 0o600)
	r := owner.ass(t, "env", "import", "--namespace", "imported/app").ok(t)
	r.shows(t, "imported/app/FIRST", "imported/app/SECOND", "imported/app/THIRD")
	w.audited(t, "secret.import", "imported/app")
	for key, text := range map[string]string{"FIRST": marker + "1", "SECOND": marker + " two\nlines", "THIRD": marker + " $HOME"} {
		if i := w.secret(t, "imported/app/"+key); i.Value != text || i.SecretType != "custom" || i.AccessTier != "standard" {
			t.Errorf("imported %+v", i)
		}
	}
	// Again: new versions of the same three.
	owner.ass(t, "env", "import", ".env", "-n", "imported/app").ok(t).shows(t, "imported/app/THIRD")
	w.audited(t, "secret.import", "imported/app")
	if i := w.secret(t, "imported/app/FIRST"); i.Version != 2 {
		t.Errorf("imported again: %+v", i)
	}
}

func (w *world) cliDryRun(t *testing.T, owner *person) {
	write(t, filepath.Join(owner.work, "dry.env"), "KEY="+marker+"dry\n", 0o600)
	owner.ass(t, "env", "import", "dry.env", "--namespace", "dry", "--dry-run").ok(t).shows(t, "KEY", "no changes")
	if _, status := w.vault.get(t, "dry/KEY", w.vault.key); status != 404 {
		t.Errorf("after a dry run the secret answers %d", status)
	}
}

func (w *world) cliImportAssrc(t *testing.T, owner *person) {
	write(t, filepath.Join(owner.work, "rc.env"), "KEY="+marker+"rc\n", 0o600)
	if r := owner.ass(t, "env", "import", "rc.env"); r.code != 1 {
		t.Errorf("without a namespace the exit code is %d", r.code)
	}
	owner.ass(t, "init", "-n", "from/assrc").ok(t)
	owner.ass(t, "env", "import", "rc.env").ok(t).shows(t, "from/assrc/KEY")
	w.audited(t, "secret.import", "from/assrc")
	if i := w.secret(t, "from/assrc/KEY"); i.Value != marker+"rc" {
		t.Errorf("imported %+v", i)
	}
}

// cliExport: what the CLI exports, to a file or to stdout, is imported as it was.
func (w *world) cliExport(t *testing.T, owner *person) {
	values := map[string]string{
		"PLAIN":   marker,
		"SPACES":  value("  several  words  "),
		"LINES":   value("one\ntwo\n\n"),
		"QUOTES":  value(`it's "quoted" \ and \n no newline`),
		"SIGNS":   value("$HOME ${HOME} `id` # no comment = %"),
		"TABS":    value("a\tb"),
		"UNICODE": value("héllo ☃ 🔐"),
		"JSON":    value(`{"a": ["b", "c\\d"]}`),
	}
	for key, text := range values {
		w.vault.put(t, "out/app/"+key, text, "standard")
	}
	owner.ass(t, "env", "export", "out/app", "-o", "out.env").ok(t)
	for key := range values {
		w.audited(t, "secret.read", "out/app/"+key)
	}
	piped := owner.ass(t, "env", "export", "out/app").ok(t).stdout
	write(t, filepath.Join(owner.work, "piped.env"), piped, 0o600)
	for namespace, file := range map[string]string{"back/file": "out.env", "back/pipe": "piped.env"} {
		owner.ass(t, "env", "import", file, "-n", namespace).ok(t)
		for key, text := range values {
			if i := w.secret(t, namespace+"/"+key); i.Value != text {
				t.Errorf("%s/%s is %q, was %q", namespace, key, i.Value, text)
			}
		}
	}
	if r := owner.ass(t, "env", "export", "out/nothing").ok(t); r.stdout != "" {
		t.Errorf("an empty namespace exports %q", r.stdout)
	}
}

// cliImportLarge: a value of 1 MiB comes back whole, through a pipe.
func (w *world) cliImportLarge(t *testing.T, owner *person) {
	text := marker + strings.Repeat("0123456789abcdef", 1<<16)[len(marker):]
	write(t, filepath.Join(owner.work, "large.env"), "LARGE="+text+"\n", 0o600)
	owner.ass(t, "env", "import", "large.env", "-n", "large").ok(t)
	if r := owner.ass(t, "secrets", "get", "large/LARGE").ok(t); r.stdout != text {
		t.Errorf("stored %d bytes, got %d", len(text), len(r.stdout))
	}
	write(t, filepath.Join(owner.work, "larger.env"), "SMALL="+marker+"\nLARGER="+text+"x\n", 0o600)
	owner.ass(t, "env", "import", "larger.env", "-n", "large").fails(t)
	if _, status := w.vault.get(t, "large/SMALL", w.vault.key); status != 404 {
		t.Errorf("a part of a refused import answers %d", status)
	}
}

func (w *world) cliImportRefused(t *testing.T, owner *person) {
	write(t, filepath.Join(owner.work, "twice.env"), "KEY="+marker+"1\nOTHER="+marker+"2\nKEY="+marker+"3\n", 0o600)
	if r := owner.ass(t, "env", "import", "twice.env", "-n", "refused").fails(t, "line 3"); strings.Contains(r.stderr, marker) {
		t.Errorf("the error repeats a value: %s", r.stderr)
	}
	if _, status := w.vault.get(t, "refused/OTHER", w.vault.key); status != 404 {
		t.Errorf("a part of a refused import answers %d", status)
	}
	agent := w.person(t, "importer", w.vault, w.vault.agent(t, "importer", []string{"refused"}, []string{"secrets:write:refused/*"}))
	write(t, filepath.Join(agent.work, ".env"), "KEY="+marker+"\n", 0o600)
	agent.ass(t, "env", "import", "-n", "elsewhere").fails(t, "Permission denied.")
	agent.ass(t, "env", "import", "-n", "refused/app").ok(t)
	w.audited(t, "secret.import", "refused/app")
	agent.ass(t, "env", "export", "refused/app").fails(t, "Permission denied.")
}
