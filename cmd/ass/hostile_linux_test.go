package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/agent-secret-store/assd/vault/api"
)

// nasty is text that a terminal acts on: escapes in ASCII and past it, and what turns the
// reading direction.
const nasty = "\x1b[2J\x07\r\u009b1m\u202egnp"

// hostile is a daemon that answers each route with what it has for it.
func hostile(t *testing.T, answers map[string]func(w io.Writer)) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		answer(w)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func says(text string) func(io.Writer) { return func(w io.Writer) { io.WriteString(w, text) } }

func saysJSON(v any) func(io.Writer) {
	return func(w io.Writer) { json.NewEncoder(w).Encode(v) }
}

// floods writes piece until nobody reads any more, or that many bytes are written.
func floods(begin, piece string, bytes int) func(io.Writer) {
	return func(w io.Writer) {
		io.WriteString(w, begin)
		for n := 0; n < bytes; n += len(piece) {
			if _, err := io.WriteString(w, piece); err != nil {
				return
			}
		}
	}
}

// onTerminal runs ass with a terminal of that width for stdout and stderr.
func onTerminal(t *testing.T, width uint16, args ...string) (screen string, code int) {
	t.Helper()
	var pts *os.File
	c := startConsole(t, func(cmd *exec.Cmd, terminal *os.File) {
		pts = terminal
		if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: width}); err != nil {
			t.Fatal(err)
		}
		cmd.Stdout, cmd.Stderr = terminal, terminal
		cmd.Env = append(cmd.Env, "NO_COLOR=1", "ASS_AGENT_KEY=ask_live_x")
	}, args...)
	code = c.exitCode()
	const end = "— the end —"
	fmt.Fprint(pts, end) // behind all that ass has printed
	c.await(end, func() bool { return strings.HasSuffix(c.screen(), end) })
	return strings.ReplaceAll(strings.TrimSuffix(c.screen(), end), "\r\n", "\n"), code
}

// harmless fails where a screen has what a terminal acts on.
func harmless(t *testing.T, what, screen string) {
	t.Helper()
	for _, r := range screen {
		if r != '\n' && r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x202e {
			t.Fatalf("%s: %q reaches the terminal:\n%q", what, r, screen)
		}
	}
	if !utf8.ValidString(screen) {
		t.Errorf("%s: %q is no text", what, screen)
	}
}

func trailEvents() map[string]func(io.Writer) {
	e := api.AuditEvent{Seq: 7, Timestamp: time.Unix(0, 0), AgentID: nasty, Action: "x" + nasty, Namespace: nasty, Resource: nasty}
	sse, _ := json.Marshal(e)
	return map[string]func(io.Writer){
		"/v1/audit":        saysJSON(api.AuditPage{Events: []api.AuditEvent{e}}),
		"/v1/audit/export": says(`{"seq":7,"event":"` + nasty + "\"}\n"),
		"/v1/audit/follow": says("id: 7\nevent: audit\ndata: " + string(sse) + "\n\nevent: error\ndata: " + `{"code":"UNAUTHORIZED","message":"\u001b[2Jno"}` + "\n\n"),
		"/v1/audit/stats": saysJSON(api.AuditStats{
			Events: 1 << 63, BucketSeconds: 1 << 62, Buckets: []api.AuditBucket{{Events: 1 << 63}, {Events: 1 << 63}},
			Actors: []api.AuditActor{{AgentID: nasty}}, Paths: []api.AuditPath{{Path: nasty}}, Complete: true,
			ReadsOf: []api.AuditReads{{AgentID: nasty, Path: nasty}}, Denials: []api.AuditDenials{{AgentID: nasty, Action: nasty, Path: nasty}},
		}),
	}
}

// TestHostileWords: whatever a daemon says, the terminal shows it and does nothing of it,
// at any width; a file or a pipe gets an export to the byte.
func TestHostileWords(t *testing.T) {
	t.Parallel()
	url := hostile(t, trailEvents())
	for _, args := range [][]string{
		{"audit"}, {"audit", "--json"}, {"audit", "stats"}, {"audit", "stats", "--json"}, {"audit", "export"}, {"audit", "export", "--format", "csv"},
		{"audit", "--follow"}, {"audit", "--follow", "--json"},
	} {
		for _, width := range []uint16{40, 200} {
			what := fmt.Sprint(args, width)
			screen, code := onTerminal(t, width, append(args, "--api-url", url)...)
			harmless(t, what, screen)
			for line := range strings.Lines(screen) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); len(args) == 1 && n > int(width) {
					t.Errorf("%s: a line of %d columns\n%s", what, n, screen)
				}
			}
			want := 0
			if args[len(args)-1] == "--follow" || len(args) > 1 && args[1] == "--follow" {
				want = 4 // what the daemon says at its end
			}
			if code != want || !strings.Contains(screen, "gnp") {
				t.Errorf("%s: exit code %d\n%s", what, code, screen)
			}
		}
	}
	cmd := exec.Command(filepath.Join(bin, "ass"), "audit", "export", "--quiet", "--api-url", url)
	cmd.Env = []string{"HOME=" + t.TempDir(), "ASS_AGENT_KEY=ask_live_x"}
	if out, err := cmd.Output(); err != nil || string(out) != `{"seq":7,"event":"`+nasty+"\"}\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestHostileLength: what has no end is a clear error, soon.
func TestHostileLength(t *testing.T) {
	t.Parallel()
	mib := strings.Repeat("x", 1<<20)
	empty := saysJSON(api.AuditPage{})
	for name, tc := range map[string]struct {
		answers map[string]func(io.Writer)
		args    []string
		want    string
	}{
		"follow: a line":   {map[string]func(io.Writer){"/v1/audit": empty, "/v1/audit/follow": floods("data: ", mib, 1<<30)}, []string{"audit", "--follow"}, "no stream of events: a line is longer than"},
		"follow: no event": {map[string]func(io.Writer){"/v1/audit": empty, "/v1/audit/follow": floods("", ": "+mib+"\n\n", 1<<30)}, []string{"audit", "--follow"}, "without an event"},
		"stats":            {map[string]func(io.Writer){"/v1/audit/stats": floods(`{"since":"`, mib, 1<<30)}, []string{"audit", "stats"}, "longer than 10485760 bytes"},
		"export: a line":   {map[string]func(io.Writer){"/v1/audit/export": floods(`{"seq":1,"event":"`, mib, 1<<30)}, []string{"audit", "export"}, "a line is longer than"},
		"checkpoint":       {map[string]func(io.Writer){"/v1/audit/checkpoint": floods(`{"checkpoint":"`, mib, 1<<30)}, []string{"audit", "checkpoint"}, "longer than 10485760 bytes"},
	} {
		if testing.Short() && name != "stats" {
			continue
		}
		cmd := exec.Command(filepath.Join(bin, "ass"), append(tc.args, "--api-url", hostile(t, tc.answers))...)
		cmd.Env = []string{"HOME=" + t.TempDir(), "ASS_AGENT_KEY=ask_live_x"}
		late := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
		var stderr strings.Builder
		cmd.Stderr = &stderr
		cmd.Run()
		late.Stop()
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), tc.want) || !strings.Contains(stderr.String(), "hint: ") {
			t.Errorf("%s: exit code %d, %q; want %q", name, code, stderr.String(), tc.want)
		}
	}
}
