package certs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server/certs"
)

// shows reports whether k shows p.
func shows(k *certs.Keeper, p *pair) func() bool {
	return func() bool { return k.Certificate().Fingerprint == api.Fingerprint(p.cert) }
}

// TestReload: however a pair is replaced, the new one is shown, and told of.
func TestReload(t *testing.T) {
	next := func(t *testing.T, dir string, p *pair) string { // a folder with p in it
		must(t, os.MkdirAll(dir, 0o755))
		p.put(t, filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem"))
		return dir
	}
	swap := func(t *testing.T, target, link string) {
		must(t, os.Symlink(target, link+".tmp"), os.Rename(link+".tmp", link))
	}
	for name, tc := range map[string]struct {
		lay     func(t *testing.T, dir string, p *pair) (folder string)
		replace func(t *testing.T, dir string, p *pair)
	}{
		"renamed": {func(t *testing.T, dir string, p *pair) string { return next(t, dir, p) },
			func(t *testing.T, dir string, p *pair) { next(t, dir, p) }},
		"written in place": {func(t *testing.T, dir string, p *pair) string { return next(t, dir, p) },
			func(t *testing.T, dir string, p *pair) {
				write(t, filepath.Join(dir, "k.pem"), p.keyPEM, 0o600)
				write(t, filepath.Join(dir, "c.pem"), p.certPEM, 0o644)
			}},
		"removed and made anew": {func(t *testing.T, dir string, p *pair) string { return next(t, dir, p) },
			func(t *testing.T, dir string, p *pair) {
				must(t, os.Remove(filepath.Join(dir, "c.pem")), os.Remove(filepath.Join(dir, "k.pem")))
				time.Sleep(time.Second / 2) // the loss is seen
				next(t, dir, p)
			}},
		"as in Kubernetes": {func(t *testing.T, dir string, p *pair) string {
			next(t, filepath.Join(dir, "..1"), p)
			must(t, os.Chmod(dir, 0o777|fs.ModeSticky), os.Symlink("..1", filepath.Join(dir, "..data")),
				os.Symlink("..data/c.pem", filepath.Join(dir, "c.pem")), os.Symlink("..data/k.pem", filepath.Join(dir, "k.pem")))
			return dir
		}, func(t *testing.T, dir string, p *pair) {
			next(t, filepath.Join(dir, "..2"), p)
			swap(t, "..2", filepath.Join(dir, "..data"))
			must(t, os.RemoveAll(filepath.Join(dir, "..1")))
		}},
		"as certbot does": {func(t *testing.T, dir string, p *pair) string {
			next(t, filepath.Join(dir, "archive", "1"), p)
			live := filepath.Join(dir, "live")
			must(t, os.Mkdir(live, 0o755), os.Symlink("../archive/1/c.pem", filepath.Join(live, "c.pem")), os.Symlink("../archive/1/k.pem", filepath.Join(live, "k.pem")))
			return live
		}, func(t *testing.T, dir string, p *pair) {
			next(t, filepath.Join(dir, "archive", "2"), p)
			swap(t, "../archive/2/k.pem", filepath.Join(dir, "live", "k.pem"))
			swap(t, "../archive/2/c.pem", filepath.Join(dir, "live", "c.pem"))
		}},
		"behind a link": {func(t *testing.T, dir string, p *pair) string {
			next(t, filepath.Join(dir, "real"), p)
			live := filepath.Join(dir, "live")
			must(t, os.Mkdir(live, 0o755), os.Symlink("../real/c.pem", filepath.Join(live, "c.pem")), os.Symlink("../real/k.pem", filepath.Join(live, "k.pem")))
			return live
		}, func(t *testing.T, dir string, p *pair) { next(t, filepath.Join(dir, "real"), p) }},
		"a release swapped": {func(t *testing.T, dir string, p *pair) string {
			next(t, filepath.Join(dir, "r1", "tls"), p)
			must(t, os.Symlink("r1", filepath.Join(dir, "current")))
			return filepath.Join(dir, "current", "tls")
		}, func(t *testing.T, dir string, p *pair) {
			next(t, filepath.Join(dir, "r2", "tls"), p)
			swap(t, "r2", filepath.Join(dir, "current"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, j := keeping(t)
			first, second, third := newPair(t, "first"), newPair(t, "second"), newPair(t, "third")
			dir := filepath.Join(t.TempDir(), "d")
			must(t, os.Mkdir(dir, 0o755))
			folder := tc.lay(t, dir, first)
			cfg.CertFile, cfg.KeyFile = filepath.Join(folder, "c.pem"), filepath.Join(folder, "k.pem")
			k := open(t, cfg)
			watching(t, k)
			tc.replace(t, dir, second)
			eventually(t, "the second pair", j, shows(k, second))
			if leaf, _, _ := shake(t, k, withCertificate(t, first)); api.Fingerprint(leaf) != api.Fingerprint(second.cert) {
				t.Error("the handshake shows another than is told")
			}
			if j.lines("TLS certificate loaded") != 1 || !strings.Contains(j.String(), api.Fingerprint(second.cert)) {
				t.Error(j)
			}
			// The new place is watched as the old one was.
			if strings.Contains("renamed, written in place, behind a link", name) {
				tc.replace(t, dir, third)
				eventually(t, "the third pair", j, shows(k, third))
			}
		})
	}
}

// TestBrokenPair: it changes nothing, and is told of once, with its reason.
func TestBrokenPair(t *testing.T) {
	cfg, j := given(t)
	k := open(t, cfg)
	first := k.Certificate()
	second, third := newPair(t, "second"), newPair(t, "third")
	again := watching(t, k)

	write(t, cfg.CertFile, second.certPEM, 0o644)
	eventually(t, "the mismatch", j, func() bool { return j.lines("do not belong together") == 1 })
	write(t, cfg.CertFile, second.certPEM, 0o644) // no news
	write(t, filepath.Join(filepath.Dir(cfg.CertFile), "other"), nil, 0o644)
	time.Sleep(time.Second)
	if j.lines("stays in use") != 1 || k.Certificate() != first {
		t.Errorf("the mismatch: %s", j)
	}
	write(t, cfg.CertFile, []byte("MARKED"), 0o644)
	eventually(t, "the damage", j, func() bool { return j.lines("holds no certificate") == 1 })
	again <- syscall.SIGHUP // asked for, it is told again
	eventually(t, "the damage, told again", j, func() bool { return j.lines("holds no certificate") == 2 })
	if k.Certificate() != first || strings.Contains(j.String(), "MARKED") {
		t.Errorf("the damage: %s", j)
	}
	third.put(t, cfg.CertFile, cfg.KeyFile)
	eventually(t, "the third pair", j, shows(k, third))
	if err := os.Chmod(cfg.KeyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the open key", j, func() bool { return j.lines("chmod g-w,o-rwx") == 1 })
	if err := os.Chmod(cfg.KeyFile, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all well again", j, func() bool { return j.lines("changed=false") == 1 })
	again <- syscall.SIGHUP
	eventually(t, "all well, told when asked", j, func() bool { return j.lines("changed=false") == 2 })
}

// TestClientCAReload: who may come in follows the file.
func TestClientCAReload(t *testing.T) {
	cfg, j := given(t)
	mine, next := newPair(t, "mine"), newPair(t, "next")
	cfg.ClientCAFile = filepath.Join(t.TempDir(), "ca.pem")
	write(t, cfg.ClientCAFile, mine.certPEM, 0o644)
	k := open(t, cfg)
	watching(t, k)
	replace(t, cfg.ClientCAFile, next.certPEM, 0o644)
	eventually(t, "the next CA", j, func() bool { return j.lines("changed=true") == 1 })
	if _, _, err := shake(t, k, withCertificate(t, mine)); err == nil {
		t.Error("a client of the CA that was replaced got in")
	}
	if _, _, err := shake(t, k, withCertificate(t, next)); err != nil {
		t.Error(err)
	}
	// Gone, it is not none: who has no certificate stays out.
	if err := os.Remove(cfg.ClientCAFile); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the loss", j, func() bool { return j.lines("stays in use") == 1 })
	if _, _, err := shake(t, k, withCertificate(t, mine)); err == nil {
		t.Error("without the file anybody gets in")
	}
}

// TestMissedChange: what changed before the watch began, and what no watch sees,
// is found.
func TestMissedChange(t *testing.T) {
	defer certs.SetPoll(50 * time.Millisecond)()
	cfg, j := given(t)
	k := open(t, cfg)
	second, third := newPair(t, "second"), newPair(t, "third")
	second.put(t, cfg.CertFile, cfg.KeyFile)
	t.Run("watch", func(t *testing.T) {
		watching(t, k)
		eventually(t, "the pair that came before the watch", j, shows(k, second))
		dir := filepath.Dir(cfg.CertFile)
		if err := errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o755)); err != nil {
			t.Fatal(err)
		}
		third.put(t, cfg.CertFile, cfg.KeyFile)
		eventually(t, "the pair in a folder made anew", j, shows(k, third))
	})
}

// TestExpiredPair: one that is over takes the place of none that is not; where
// there is no better one, it is shown.
func TestExpiredPair(t *testing.T) {
	const day = 24 * time.Hour
	cfg, j := given(t)
	agedPair(t, "first", -day, 90*day).put(t, cfg.CertFile, cfg.KeyFile)
	k := open(t, cfg)
	first := k.Certificate()
	again := watching(t, k)
	expired, next := agedPair(t, "expired", -90*day, -day), agedPair(t, "next", -day, 90*day)
	expired.put(t, cfg.CertFile, cfg.KeyFile)
	eventually(t, "the refusal", j, func() bool { return j.lines("stays in use") == 1 })
	again <- syscall.SIGHUP
	eventually(t, "the refusal, told again", j, func() bool { return j.lines("stays in use") == 2 })
	if want := cfg.CertFile + `\" expired at ` + stamp(expired.cert.NotAfter); k.Certificate() != first || j.lines(want) != 2 || j.lines("TLS certificate loaded") > 0 {
		t.Errorf("want %s:\n%s", want, j)
	}
	next.put(t, cfg.CertFile, cfg.KeyFile)
	eventually(t, "the next pair", j, shows(k, next))

	// At a start there is nothing better, and then another is no worse.
	expired.put(t, cfg.CertFile, cfg.KeyFile)
	k = open(t, cfg)
	watching(t, k)
	other := agedPair(t, "other", -90*day, -day)
	other.put(t, cfg.CertFile, cfg.KeyFile)
	eventually(t, "the other expired pair", j, shows(k, other))
}

// TestAging: a daemon that runs on warns once when the end comes near and once
// when it is there, also while the files cannot be used.
func TestAging(t *testing.T) {
	defer certs.SetPoll(20 * time.Millisecond)()
	const day = 24 * time.Hour
	for name, tc := range map[string]struct{ life, soon time.Duration }{
		"long":  {90 * day, 30 * day},
		"short": {30 * day, 10 * day},
		"a day": {day, 8 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, j := given(t)
			p := agedPair(t, "aging", 0, tc.life)
			p.put(t, cfg.CertFile, cfg.KeyFile)
			var left, looks atomic.Int64 // of its life; at the clock
			cfg.Now = func() time.Time { looks.Add(1); return p.cert.NotAfter.Add(-time.Duration(left.Load())) }
			said := func(d time.Duration, soon, over int) {
				t.Helper()
				left.Store(int64(d))
				n := looks.Load() + 10
				eventually(t, "some looks", j, func() bool { return looks.Load() >= n })
				if j.lines("expires soon: ") != soon || j.lines("has expired: ") != over {
					t.Errorf("%v before the end: %s", d, j)
				}
			}
			left.Store(int64(tc.life))
			watching(t, open(t, cfg))
			said(tc.life, 0, 0)
			said(tc.soon+time.Minute, 0, 0)
			said(tc.soon-time.Minute, 1, 0)
			write(t, cfg.KeyFile, nil, 0o600)
			said(time.Minute, 1, 0)
			said(-time.Minute, 1, 1)
			said(-time.Hour, 1, 1)
		})
	}
}
