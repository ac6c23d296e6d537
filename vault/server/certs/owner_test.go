package certs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/agent-secret-store/assd/internal/testenv"
	"github.com/agent-secret-store/assd/vault/server/certs"
)

// nobody is the uid of an attacker without rights, daemon that of a daemon that
// does not run as root.
const (
	nobody = 65534
	daemon = 65533
)

// laid is an operator's folder with all three files in it.
func laid(t *testing.T) (cfg certs.Config, dir string, j *journal) {
	cfg, j = given(t)
	cfg.ClientCAFile = ca(t, &cfg, newPair(t, "clients").certPEM, 0o644)
	return cfg, filepath.Dir(cfg.CertFile), j
}

// behind moves the folder's files into dir/real and leaves links to them.
func behind(t *testing.T, dir string) (real string) {
	real = filepath.Join(dir, "real")
	must(t, os.Mkdir(real, 0o755))
	for _, name := range []string{"c.pem", "k.pem", "ca.pem"} {
		must(t, os.Rename(filepath.Join(dir, name), filepath.Join(real, name)),
			os.Symlink("real/"+name, filepath.Join(dir, name)))
	}
	return real
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		testenv.Skip(t, "only root can give files to another user")
	}
}

// TestWithinReach: files that somebody else can change are refused with one line
// that says what to do, at the start and by Check.
func TestWithinReach(t *testing.T) {
	own := func(uid int, paths ...string) error {
		var errs []error
		for _, path := range paths {
			errs = append(errs, os.Lchown(path, uid, uid))
		}
		return errors.Join(errs...)
	}
	for name, tc := range map[string]struct {
		root bool
		open func(t *testing.T, dir string) error
		want string // in the error, besides the folder; "": none
	}{
		"certificate, group":  {false, func(_ *testing.T, d string) error { return os.Chmod(d+"/c.pem", 0o664) }, "/c.pem\" is open to others (mode 0664): chmod go-w "},
		"certificate, others": {false, func(_ *testing.T, d string) error { return os.Chmod(d+"/c.pem", 0o646) }, "chmod go-w "},
		"folder, others":      {false, func(_ *testing.T, d string) error { return os.Chmod(d, 0o777) }, "(mode 0777): chmod go-w "},
		"folder, group":       {false, func(_ *testing.T, d string) error { return os.Chmod(d, 0o775) }, "(mode 0775): chmod go-w "},
		"folder above":        {false, func(_ *testing.T, d string) error { return os.Chmod(filepath.Dir(d), 0o777) }, "(mode 0777): chmod go-w "},
		"folder, sticky":      {false, func(_ *testing.T, d string) error { return os.Chmod(d, 0o777|os.ModeSticky) }, ""},
		"behind a link":       {false, func(t *testing.T, d string) error { behind(t, d); return nil }, ""},
		"folder behind a link": {false, func(t *testing.T, d string) error { return os.Chmod(behind(t, d), 0o777) },
			"/real\", on the way to "},
		"all of it": {true, func(_ *testing.T, d string) error {
			return errors.Join(os.Chmod(d, 0o777), own(nobody, d, d+"/c.pem", d+"/k.pem", d+"/ca.pem"))
		}, "belongs to uid 65534, neither root nor uid 0: use another path"},
		"folder's owner":       {true, func(_ *testing.T, d string) error { return own(nobody, d) }, "belongs to uid 65534, neither root"},
		"certificate's owner":  {true, func(_ *testing.T, d string) error { return own(nobody, d+"/c.pem") }, "if what it holds is right: chown 0 "},
		"key's owner":          {true, func(_ *testing.T, d string) error { return own(nobody, d+"/k.pem") }, "TLS key "},
		"client CA's owner":    {true, func(_ *testing.T, d string) error { return own(nobody, d+"/ca.pem") }, "client CA "},
		"link's owner":         {true, func(t *testing.T, d string) error { behind(t, d); return own(nobody, d+"/ca.pem") }, "client CA (--client-ca): link "},
		"owner behind a link":  {true, func(t *testing.T, d string) error { return own(nobody, behind(t, d)+"/k.pem") }, "TLS key "},
		"folder's owner there": {true, func(t *testing.T, d string) error { return own(nobody, behind(t, d)) }, "directory "},
		"sticky, another's": {true, func(_ *testing.T, d string) error {
			return errors.Join(os.Chmod(d, 0o777|os.ModeSticky), own(nobody, d+"/ca.pem"))
		}, "client CA "},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.root {
				asRoot(t)
			}
			cfg, dir, _ := laid(t)
			must(t, tc.open(t, dir))
			defer os.Chmod(filepath.Dir(dir), 0o700)
			_, err := certs.Open(cfg)
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("got %v; want %q", err, tc.want)
			}
			// It reads the client CA first, so it may name another file.
			if check := cfg.Check(); check == nil || strings.Contains(check.Error(), "\n") {
				t.Errorf("Check: %v; Open: %v", check, err)
			}
		})
	}
}

// TestDaemonsFiles: a daemon that is not root takes what is root's or its own, and
// nobody else's.
func TestDaemonsFiles(t *testing.T) {
	asRoot(t)
	cfg, dir, _ := laid(t)
	must(t, os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(cfg.KeyFile, 0o640), os.Chown(cfg.KeyFile, 0, syscall.Getegid()))
	for uid, ok := range map[int]bool{0: true, daemon: true, nobody: false} {
		must(t, os.Chown(cfg.ClientCAFile, uid, -1), os.Chown(cfg.CertFile, uid, -1))
		must(t, syscall.Seteuid(daemon))
		err := cfg.Check()
		must(t, syscall.Seteuid(0))
		if (err == nil) != ok {
			t.Errorf("files of uid %d: %v", uid, err)
		}
		if !ok && !strings.Contains(err.Error(), "neither root nor uid 65533, which assd runs as; if what it holds is right: chown 65533 ") {
			t.Errorf("files of uid %d: %v", uid, err)
		}
	}
}

// TestReachedLater: what comes within another's reach while the daemon runs is not
// taken from there, and told of; out of reach again, it is.
func TestReachedLater(t *testing.T) {
	cfg, dir, j := laid(t)
	k := open(t, cfg)
	watching(t, k)
	must(t, os.Chmod(dir, 0o777))
	mine := newPair(t, "the attacker's")
	replace(t, cfg.ClientCAFile, mine.certPEM, 0o644)
	eventually(t, "the refusal", j, func() bool { return j.lines("stays in use") == 1 })
	if j.lines("can be written by other users") != 1 || j.lines("chmod go-w "+dir) != 1 {
		t.Error(j)
	}
	if _, _, err := shake(t, k, withCertificate(t, mine)); err == nil {
		t.Error("a client of the attacker's CA got in")
	}
	must(t, os.Chmod(dir, 0o755))
	eventually(t, "the CA, when nobody else can have put it there", j, func() bool { return j.lines("changed=true") == 1 })
	if _, _, err := shake(t, k, withCertificate(t, mine)); err != nil {
		t.Error(err)
	}
}

// TestRenamedIn: the attack: who owns the folder puts a CA of his own in the place
// of the one in use.
func TestRenamedIn(t *testing.T) {
	asRoot(t)
	cfg, dir, j := laid(t)
	k := open(t, cfg)
	watching(t, k)
	mine := newPair(t, "the attacker's")
	write(t, cfg.ClientCAFile+".new", mine.certPEM, 0o644)
	must(t, os.Chown(dir, nobody, nobody), os.Chown(cfg.ClientCAFile+".new", nobody, nobody),
		os.Rename(cfg.ClientCAFile+".new", cfg.ClientCAFile))
	eventually(t, "the refusal", j, func() bool { return j.lines("stays in use") == 1 })
	must(t, os.Chown(dir, 0, 0)) // the file is still his
	eventually(t, "the next refusal", j, func() bool { return j.lines("stays in use") == 2 })
	if _, _, err := shake(t, k, withCertificate(t, mine)); err == nil || j.lines("changed=") > 0 {
		t.Errorf("a client of the attacker's CA got in: %s", j)
	}
}
