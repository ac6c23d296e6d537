package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server"
)

// open begins a request by the owner and hands out the body of its answer.
func (d *daemon) open(target, key string) (*http.Response, func()) {
	d.t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", d.socket)
	}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	req, err := http.NewRequestWithContext(ctx, "GET", "http://assd"+target, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := tr.RoundTrip(req)
	if err != nil {
		d.t.Fatal(err)
	}
	return res, func() { cancel(); res.Body.Close(); tr.CloseIdleConnections() }
}

// lengthen makes the trail longer than what a connection holds.
func (d *daemon) lengthen() {
	d.t.Helper()
	for i := range 2 {
		var text strings.Builder
		for k := range 2000 {
			fmt.Fprintf(&text, "K%d_%d=v\n", i, k)
		}
		d.want(d.call("POST", "/v1/secrets/import", d.owner, asJSON(map[string]any{"namespace": "a", "content": text.String()})), "")
	}
}

// TestExportIsCut: what was changed under the daemon ends an export in an error and
// without its end, and stops the daemon.
func TestExportIsCut(t *testing.T) {
	for _, format := range []string{"jsonl", "csv"} {
		t.Run(format, func(t *testing.T) {
			d := start(t)
			d.broken = true
			d.put("a/K", "v")
			d.rewrite(`"key":"K"`, `"key":"L"`)
			res, done := d.open("/v1/audit/export?format="+format, d.owner)
			defer done()
			body, err := io.ReadAll(res.Body)
			if res.StatusCode != 200 || err == nil {
				t.Errorf("it ends as if it were whole: %d", res.StatusCode)
			}
			if says := bytes.Contains(body, []byte(`{"error":{"code":"INTERNAL","message":"audit event`)); says != (format == "jsonl") || bytes.Contains(body, []byte(`\"key\":\"L\"`)) {
				t.Errorf("it ends in %.300s", body[max(0, len(body)-300):])
			}
			if d.vault.Alive() == nil {
				t.Error("the vault goes on")
			}
		})
	}
}

// rewrite changes text in the data file under the running daemon.
func (d *daemon) rewrite(old, new string) {
	d.t.Helper()
	path := filepath.Join(d.cfg.Dir, "vault.db")
	b, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(b, []byte(old)) {
		d.t.Fatal("it is not there: ", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte(old))
		if i < 0 {
			return
		}
		if _, err := f.WriteAt([]byte(new), int64(at+i)); err != nil {
			d.t.Fatal(err)
		}
		at += i + len(old)
	}
}

// TestExportsAreBounded: few at a time, each in its place until its client has gone;
// and the daemon does not wait for those that are not taken.
func TestExportsAreBounded(t *testing.T) {
	d := start(t)
	d.lengthen()
	_, first := d.open("/v1/audit/export", d.owner)
	res, second := d.open("/v1/audit/export", d.owner)
	r := d.want(d.call("GET", "/v1/audit/export", d.owner, ""), "RATE_LIMITED")
	if r.header.Get("Retry-After") == "" {
		t.Error("it is not said when to try again")
	}
	d.want(d.call("GET", "/v1/audit/stats", d.owner, ""), "RATE_LIMITED")
	first()
	for began := time.Now(); d.call("GET", "/v1/audit/export?until=2001-01-01T00:00:00Z", d.owner, "").status != 200; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("a client that has gone keeps its place")
		}
	}
	in := bufio.NewReader(res.Body)
	if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, `{"seq":1,`) {
		t.Errorf("%q, %v", line, err)
	}
	stopped := make(chan struct{})
	go func() { d.stop(); close(stopped) }()
	rest, err := io.ReadAll(in)
	<-stopped
	if err == nil || bytes.Contains(rest, []byte(`"error"`)) && !bytes.Contains(rest, []byte("the daemon is stopping")) {
		t.Errorf("the daemon stopped, and the export ends as if it were whole: %v", err)
	}
	second()
	d.serve(vault.Open)
}

// TestFollowersAreBounded, and each sees what is committed, at once and once.
func TestFollowersAreBounded(t *testing.T) {
	d := start(t)
	d.want(d.call("GET", "/v1/audit/follow?after=99999", d.owner, ""), "CONFLICT")
	d.want(d.call("GET", "/v1/audit/follow?after=1&wait=1s", d.owner, "", "Last-Event-ID: 99999"), "CONFLICT")
	d.want(d.call("GET", "/v1/audit/follow", d.owner, "", "Last-Event-ID: x"), "VALIDATION_ERROR")
	d.want(d.call("GET", "/v1/audit/follow?after=-1", d.owner, ""), "VALIDATION_ERROR")
	d.want(d.call("GET", "/v1/audit/follow?wait=2m", d.owner, ""), "VALIDATION_ERROR")
	var last *bufio.Reader
	for range server.MaxFollowersEach {
		res, done := d.open("/v1/audit/follow", d.owner)
		defer done()
		last = bufio.NewReader(res.Body)
		if line, err := last.ReadString('\n'); err != nil || line != ": nothing new\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	d.want(d.call("GET", "/v1/audit/follow", d.owner, ""), "RATE_LIMITED")
	d.put("a/K", "v")
	var got strings.Builder
	for !strings.Contains(got.String(), `"action":"secret.write"`) {
		line, err := last.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString(line)
	}
	if strings.Count(got.String(), "event: audit\n") != 2 { // the token that the key stands for, and the write
		t.Errorf("it got\n%s", got.String())
	}
}

// TestFilteredFollowersAreLeftAlone: of events that they did not ask for they hear
// nothing, not even that there were some.
func TestFilteredFollowersAreLeftAlone(t *testing.T) {
	d := start(t)
	res, done := d.open("/v1/audit/follow?namespace=b", d.owner)
	defer done()
	in := bufio.NewReader(res.Body)
	var got strings.Builder
	for !strings.Contains(got.String(), "event: audit\n") {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if got.Len() == 0 { // let in
			for range 5 {
				d.put("a/K", "v")
				time.Sleep(20 * time.Millisecond)
			}
			d.put("b/K", "v")
		}
		got.WriteString(line)
	}
	if n := strings.Count(got.String(), ": nothing new\n"); n != 1 {
		t.Errorf("%d comments:\n%s", n, got.String())
	}
}

// TestTrailIsRefusedFirst: who may not read the trail takes none of the places, and
// is told so where there are none.
func TestTrailIsRefusedFirst(t *testing.T) {
	d := start(t)
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	d.srv.FillTrail()
	for _, target := range []string{"/v1/audit/export", "/v1/audit/follow", "/v1/audit/stats"} {
		d.want(d.call("GET", target, d.owner, ""), "RATE_LIMITED")
		d.want(d.call("GET", target, bot, ""), "SCOPE_DENIED")
		d.want(d.call("GET", target, d.token(d.owner, "secrets:read:*"), ""), "SCOPE_DENIED")
	}
}

// TestPlainCell: no cell begins a formula, whatever a spreadsheet takes off before it
// looks, and where it splits; and what encoding/csv reads back is the text, but for
// apostrophes.
func TestPlainCell(t *testing.T) {
	piece := rapid.SampledFrom([]string{"=", "+", "-", "@", "\t", "\r", "\n", " ", `"`, "'", "\u00a0", ";", "a", "1", ",", "cmd|' /C calc'!A0", "ü"})
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), "")
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.UseCRLF = true
		if err := w.Write([]string{server.PlainCell(s), "end"}); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		back, err := csv.NewReader(&b).Read()
		if err != nil || len(back) != 2 {
			t.Fatalf("%q reads back as %q, %v", s, back, err)
		}
		got := back[0]
		text := strings.NewReplacer("\r\n", "\n", "\r", "", "'", "").Replace // as encoding/csv writes and reads lines
		if text(got) != text(s) {
			t.Errorf("%q became %q", s, got)
		}
		for _, part := range strings.FieldsFunc(got, func(r rune) bool { return strings.ContainsRune(";\t\r\n", r) }) {
			if bare := strings.TrimLeft(part, " \u00a0\""); bare != "" && strings.ContainsAny(bare[:1], "=+-@") {
				t.Errorf("%q became %q, split a formula", s, got)
			}
		}
		if bare := strings.TrimLeft(got, " \u00a0\""); bare != "" && strings.ContainsAny(bare[:1], "=+-@\t\r\n") {
			t.Errorf("%q became %q, a formula", s, got)
		}
	})
	for s, want := range map[string]string{
		"daily-backup=ok": "daily-backup=ok", "a; b;c-d;": "a; b;c-d;", "one\r\ntwo": "one\r\ntwo", "it's": "it's",
		"x;=cmd": "x;'=cmd", "x; \"+1": "x;' \"+1", "-1;@a": "'-1;'@a", "x\n=cmd": "x\n'=cmd", "x\t-1": "x\t'-1", "x;\t=1": "x;\t'=1",
	} {
		if got := server.PlainCell(s); got != want {
			t.Errorf("%q became %q, want %q", s, got, want)
		}
	}
}

// TestExportSaysWhatItTakes: what is no export is refused.
func TestExportSaysWhatItTakes(t *testing.T) {
	d := start(t)
	for _, q := range []string{"format=xml", "heads=yes", "heads=true&format=csv", "heads=true&namespace=a", "limit=1", "cursor=3", "since=now",
		"since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z"} {
		d.want(d.call("GET", "/v1/audit/export?"+q, d.owner, ""), "VALIDATION_ERROR")
	}
	bot := d.agent("bot", `["secrets:read:*"]`, `[]`)
	for _, target := range []string{"/v1/audit/export", "/v1/audit/follow", "/v1/audit/stats"} {
		d.want(d.call("GET", target, bot, ""), "SCOPE_DENIED")
		d.want(d.call("GET", target, d.token(d.owner, "secrets:read:*"), ""), "SCOPE_DENIED")
	}
	d.want(d.call("GET", "/v1/audit/stats?format=csv", d.owner, ""), "VALIDATION_ERROR")
	stats := into[api.AuditStats](d, d.call("GET", "/v1/audit/stats?action=audit.read", d.owner, ""))
	if stats.Denied == 0 || stats.Denied != stats.Events || len(stats.Denials) == 0 {
		t.Errorf("of the refusals there are %+v", stats)
	}
}
