package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server/certs"
)

// TestMadeOnce: the pair is made at the first start and kept by all later ones.
func TestMadeOnce(t *testing.T) {
	cfg, j := keeping(t)
	first := open(t, cfg).Certificate()
	if said := j.String(); !strings.Contains(said, "[WARN]  a TLS key and certificate are made: file="+cfg.Dir+"/cert.pem fingerprint="+first.Fingerprint) {
		t.Errorf("it is not told at warn level: %s", said)
	}
	for name, want := range map[string]fs.FileMode{".": fs.ModeDir | 0o700, "key.pem": 0o600, "cert.pem": 0o600} {
		if info, err := os.Stat(filepath.Join(cfg.Dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	if left, _ := os.ReadDir(cfg.Dir); len(left) != 2 {
		t.Errorf("the folder holds %v", left)
	}
	if second := open(t, cfg).Certificate(); second != first || j.lines("made") != 1 {
		t.Errorf("a second start made another certificate, or says so: %s", j)
	}
	if other, _ := keeping(t); open(t, other).Certificate().Fingerprint == first.Fingerprint {
		t.Error("two vaults have the same key")
	}
	if first.Certificate != read(t, filepath.Join(cfg.Dir, "cert.pem")) {
		t.Error("what is told is not what is in the file")
	}
}

// TestLeaf: what is made is for this server alone, and works as an anchor.
func TestLeaf(t *testing.T) {
	cfg, _ := keeping(t)
	k := open(t, cfg)
	c := leafOf(t, k)
	if c.IsCA || !c.BasicConstraintsValid || c.KeyUsage != x509.KeyUsageDigitalSignature || !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("CA %v (%v), usage %v %v", c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage)
	}
	if c.PublicKeyAlgorithm != x509.ECDSA || c.SerialNumber.BitLen() < 100 || api.Fingerprint(c) != k.Certificate().Fingerprint {
		t.Errorf("%v, serial number %v, %s", c.PublicKeyAlgorithm, c.SerialNumber, k.Certificate().Fingerprint)
	}
	if from, to := time.Until(c.NotBefore), time.Until(c.NotAfter); from > -23*time.Hour || from < -25*time.Hour || to < 3640*24*time.Hour || to > 3660*24*time.Hour {
		t.Errorf("valid from %v to %v", c.NotBefore, c.NotAfter)
	}
	roots := x509.NewCertPool()
	roots.AddCert(c)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, client, srv := shake(t, k, &tls.Config{RootCAs: roots, ServerName: name}); client != nil || srv != nil {
			t.Errorf("%s: %v, %v", name, client, srv)
		}
	}
	if _, err, _ := shake(t, k, &tls.Config{RootCAs: roots, ServerName: "elsewhere.example"}); err == nil {
		t.Error("it is good for any name")
	}
	if other, _ := keeping(t); leafOf(t, open(t, other)).Subject.String() == c.Subject.String() {
		t.Error("two daemons' certificates have the same subject")
	}
}

// TestNames: which names the certificate that is made is for.
func TestNames(t *testing.T) {
	local := []string{"127.0.0.1", "::1", "localhost"}
	if host, err := os.Hostname(); err == nil {
		if n, err := certs.ParseName(host); err == nil {
			local = append(local, n.String())
		}
	}
	var v4, all []string
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		ip := netip.MustParsePrefix(a.String()).Addr()
		if all = append(all, ip.String()); ip.Is4() {
			v4 = append(v4, ip.String())
		}
	}
	for _, tc := range []struct {
		host, bound string
		names, want []string
	}{
		{"127.0.0.1", "127.0.0.1", nil, nil},
		{"192.0.2.7", "192.0.2.7", nil, []string{"192.0.2.7"}},
		{"vault.example.com", "192.0.2.7", nil, []string{"vault.example.com", "192.0.2.7"}},
		{"Vault.Example.COM.", "::ffff:192.0.2.7", nil, []string{"vault.example.com", "192.0.2.7"}},
		{"fe80::1%eth0", "fe80::1%eth0", nil, []string{"fe80::1"}},
		{"0.0.0.0", "0.0.0.0", []string{"a.example", "*.b.example", "2001:db8::1"}, append([]string{"a.example", "*.b.example", "2001:db8::1"}, v4...)},
		{"::", "::", nil, all},
		{"", "::", nil, all},
	} {
		cfg, j := keeping(t)
		cfg.Host, cfg.Bound = tc.host, netip.MustParseAddr(tc.bound)
		for _, s := range tc.names {
			n, err := certs.ParseName(s)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Names = append(cfg.Names, n)
		}
		c := leafOf(t, open(t, cfg))
		got := slices.Clone(c.DNSNames)
		for _, ip := range c.IPAddresses {
			got = append(got, ip.String())
		}
		want := append(slices.Clone(local), tc.want...)
		slices.Sort(got)
		slices.Sort(want)
		if want = slices.Compact(want); !slices.Equal(got, want) {
			t.Errorf("%s on %s: %q; want %q", tc.host, tc.bound, got, want)
		}
		if j.lines("\n") != 1 || j.lines("are made") != 1 {
			t.Errorf("%s: a new certificate is warned of: %s", tc.host, j)
		}
	}
}

// TestCutShort: a start that was killed at any step is made good by the next.
func TestCutShort(t *testing.T) {
	whole, _ := keeping(t)
	fingerprint := open(t, whole).Certificate().Fingerprint
	key, cert := read(t, filepath.Join(whole.Dir, "key.pem")), read(t, filepath.Join(whole.Dir, "cert.pem"))
	for _, tc := range []struct {
		left map[string]string
		same bool // the key is kept
	}{
		{map[string]string{}, false},
		{map[string]string{"key.pem.new": ""}, false},
		{map[string]string{"key.pem.new": key[:100]}, false},
		{map[string]string{"key.pem": key}, true},
		{map[string]string{"key.pem": key, "cert.pem.new": cert[:100]}, true},
		{map[string]string{"key.pem": key, "cert.pem.new": cert}, true},
		{map[string]string{"key.pem": key, "cert.pem": cert}, true},
	} {
		cfg, j := keeping(t)
		if err := os.Mkdir(cfg.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range tc.left {
			write(t, filepath.Join(cfg.Dir, name), []byte(content), 0o600)
		}
		k, err := certs.Open(cfg)
		if err != nil {
			t.Errorf("with %d files left: %v", len(tc.left), err)
			continue
		}
		if got := k.Certificate().Fingerprint == fingerprint; got != tc.same {
			t.Errorf("%v: same key %v; want %v", tc.left, got, tc.same)
		}
		made := tc.left["cert.pem"] == ""
		if said := j.lines("for the key that is there") == 1; said != (tc.same && made) || made != (j.lines("made") == 1) {
			t.Errorf("%v: told %s", tc.left, j)
		}
		if left, _ := os.ReadDir(cfg.Dir); len(left) != 2 {
			t.Errorf("the folder holds %v", left)
		}
	}
}

// TestKeptPairRefused: a pair that cannot be used is left alone, and the error
// says what to type.
func TestKeptPairRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		damage func(t *testing.T, dir string)
		want   string
	}{
		"key gone":       {func(t *testing.T, dir string) { remove(t, dir, "key.pem") }, "put key.pem back; to have a new pair, with another fingerprint, made: rm -f "},
		"key open":       {func(t *testing.T, dir string) { chmod(t, dir, "key.pem", 0o640) }, "chmod 600 "},
		"folder open":    {func(t *testing.T, dir string) { chmod(t, dir, ".", 0o750) }, "chmod 700 "},
		"key damaged":    {func(t *testing.T, dir string) { write(t, filepath.Join(dir, "key.pem"), []byte("MARKED"), 0o600) }, "rm -f "},
		"key alone, bad": {func(t *testing.T, dir string) { remove(t, dir, "cert.pem"); truncate(t, dir, "key.pem", 90) }, "rm -f "},
		"certificate empty": {func(t *testing.T, dir string) { truncate(t, dir, "cert.pem", 0) },
			"to have a new one for the same key made: rm -f "},
		"certificate cut": {func(t *testing.T, dir string) { truncate(t, dir, "cert.pem", 200) }, "cut short"},
		"another's": {func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "cert.pem"), newPair(t, "x").certPEM, 0o600)
		}, "do not belong together"},
		"no folder": {func(t *testing.T, dir string) {
			if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}, "directory"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := keeping(t)
			open(t, cfg)
			tc.damage(t, cfg.Dir)
			before, _ := os.ReadDir(cfg.Dir)
			_, err := certs.Open(cfg)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "MARKED") {
				t.Errorf("got %v; want %q", err, tc.want)
			}
			if after, _ := os.ReadDir(cfg.Dir); len(after) != len(before) {
				t.Errorf("the folder held %v and holds %v", before, after)
			}
		})
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, dir, name string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, dir, name string, size int64) {
	t.Helper()
	if err := os.Truncate(filepath.Join(dir, name), size); err != nil {
		t.Fatal(err)
	}
}

// TestWarned: a kept certificate that clients will not take is warned of, with
// the way out, and stays.
func TestWarned(t *testing.T) {
	defer certs.SetAddresses("127.0.0.1/8", "192.0.2.7/24", "fe80::7/64", "2001:db8::7/64")()
	cfg, j := keeping(t)
	first := open(t, cfg).Certificate()
	until := leafOf(t, open(t, cfg)).NotAfter
	year := 365 * 24 * time.Hour
	name, err := certs.ParseName("later.example")
	if err != nil {
		t.Fatal(err)
	}
	for what, tc := range map[string]struct {
		change func(*certs.Config)
		want   string // and nothing else
	}{
		"":                 {func(*certs.Config) {}, ""},
		"9 years on":       {func(c *certs.Config) { c.Now = in(9 * year) }, ""},
		"20 days left":     {func(c *certs.Config) { c.Now = in(10*year - 20*24*time.Hour) }, "expires=" + stamp(until)},
		"11 years on":      {func(c *certs.Config) { c.Now = in(11 * year) }, "expired=" + stamp(until)},
		"a year ago":       {func(c *certs.Config) { c.Now = in(-year) }, "not valid yet"},
		"another name":     {func(c *certs.Config) { c.Names = append(c.Names, name) }, "later.example"},
		"another address":  {func(c *certs.Config) { c.Host = "192.0.2.9" }, "192.0.2.9"},
		"all addresses":    {func(c *certs.Config) { c.Host, c.Bound = "", netip.IPv6Unspecified() }, "addresses=\"192.0.2.7,2001:db8::7\" "},
		"all of IPv4":      {func(c *certs.Config) { c.Host, c.Bound = "0.0.0.0", netip.IPv4Unspecified() }, "addresses=192.0.2.7 "},
		"localhost":        {func(c *certs.Config) { c.Host = "LOCALHOST" }, ""},
		"this host's name": {func(c *certs.Config) { c.Host = leafOf(t, open(t, cfg)).DNSNames[0] }, ""},
	} {
		again := cfg
		tc.change(&again)
		seen := len(j.String())
		if open(t, again).Certificate() != first {
			t.Errorf("%s: the certificate was replaced", what)
		}
		got := j.String()[seen:]
		if lines := strings.Count(got, "\n"); tc.want == "" && got != "" || tc.want != "" && lines != 1 || !strings.Contains(got, tc.want) || tc.want != "" && !strings.Contains(got, "rm "+cfg.Dir+"/cert.pem") {
			t.Errorf("%s: %q; want %q", what, got, tc.want)
		}
	}
	// What the warning says to do helps, and the fingerprint stays.
	remove(t, cfg.Dir, "cert.pem")
	cfg.Names = append(cfg.Names, name)
	seen := len(j.String())
	k := open(t, cfg)
	if k.Certificate().Fingerprint != first.Fingerprint || leafOf(t, k).VerifyHostname("later.example") != nil || strings.Count(j.String()[seen:], "WARN") != 1 {
		t.Errorf("after rm cert.pem: %s, %s", k.Certificate().Fingerprint, j.String()[seen:])
	}
}

// stamp is a time as a log line has it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func in(d time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(d) }
}
