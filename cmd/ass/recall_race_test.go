package main_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit/chain"
)

// house is a home with an owner's login, and a daemon of its own.
type house struct {
	t            *testing.T
	home, socket string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{t: t, home: filepath.Join(dir, "home"), socket: filepath.Join(dir, "run", "assd.sock")}
	if err := os.Mkdir(h.home, 0o700); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command(filepath.Join(bin, "assd"), "serve", "--data-dir", filepath.Join(dir, "data"), "--socket", h.socket)
	daemon.Env = []string{"HOME=" + h.home}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { daemon.Process.Signal(syscall.SIGTERM); daemon.Wait() })
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if c, err := net.Dial("unix", h.socket); err == nil {
			c.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	h.must("unix://"+h.socket, "login")
	return h
}

// ass runs ass with the owner's key at a URL, which may be one that only forwards.
func (h *house) ass(url string, args ...string) (out string, code int) {
	cmd := exec.Command(filepath.Join(bin, "ass"), args...)
	cmd.Env = []string{"HOME=" + h.home, "ASS_API_URL=" + url}
	if key := h.key(); key != "" {
		cmd.Env = append(cmd.Env, "ASS_AGENT_KEY="+key)
	}
	b, _ := cmd.CombinedOutput()
	return string(b), cmd.ProcessState.ExitCode()
}

func (h *house) must(url string, args ...string) string {
	h.t.Helper()
	out, code := h.ass(url, args...)
	if code != 0 {
		h.t.Errorf("ass %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

func (h *house) key() string {
	b, _ := os.ReadFile(filepath.Join(h.home, ".assrc"))
	if m := regexp.MustCompile(`ASS_AGENT_KEY=(\S+)`).FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return ""
}

// kept is how many events the checkpoint has that is kept.
func (h *house) kept() uint64 {
	h.t.Helper()
	all, _ := filepath.Glob(filepath.Join(h.home, ".local/state/ass/checkpoints/ten_*"))
	if len(all) != 1 {
		h.t.Fatalf("there are %q", all)
	}
	b, err := os.ReadFile(all[0])
	if err != nil {
		h.t.Fatal(err)
	}
	c, err := chain.ParseCheckpoint(b)
	if err != nil {
		h.t.Fatal(err)
	}
	return c.Seq
}

// forward passes everything on to the daemon, and its answers back once seen lets them.
func (h *house) forward(seen func(*http.Response)) string {
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "localhost"})
	to.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", h.socket)
	}}
	to.ModifyResponse = func(r *http.Response) error { seen(r); return nil }
	srv := httptest.NewServer(to)
	h.t.Cleanup(srv.Close)
	return srv.URL
}

// TestTwoSeeAtTheSameTime: what another ass has seen since this one asked is no sign that
// the trail was cut, and takes the place of nothing higher.
func TestTwoSeeAtTheSameTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	direct := "unix://" + h.socket
	for what, held := range map[string]func(q url.Values) bool{
		"before it looks":  func(q url.Values) bool { return !q.Has("size") },
		"before it writes": func(q url.Values) bool { return q.Has("size") },
	} {
		came, free := make(chan struct{}), make(chan struct{})
		var once sync.Once
		slow := h.forward(func(r *http.Response) {
			if r.Request.URL.Path == "/v1/audit/checkpoint" && held(r.Request.URL.Query()) {
				once.Do(func() { close(came); <-free })
			}
		})
		h.must(direct, "secrets", "set", "production/KEY", "v")
		ended := make(chan string)
		go func() {
			out, code := h.ass(slow, "audit", "checkpoint")
			ended <- fmt.Sprint(code, " ", out)
		}()
		<-came
		h.must(direct, "secrets", "set", "production/KEY", "w")
		h.must(direct, "audit", "checkpoint")
		high := h.kept()
		close(free)
		if out := <-ended; !strings.HasPrefix(out, "0 ") {
			t.Errorf("%s: %s", what, out)
		}
		if now := h.kept(); now < high {
			t.Errorf("%s: %d events are kept, and were %d", what, now, high)
		}
	}
}

// TestManySeeAtTheSameTime: no ass that runs beside others cries wolf, and in the end the
// highest checkpoint is kept that any of them has printed.
func TestManySeeAtTheSameTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	direct := "unix://" + h.socket
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	var highest atomic.Uint64
	var all sync.WaitGroup
	for w := range 6 {
		all.Go(func() {
			for range rounds {
				if w%3 == 0 {
					h.must(direct, "secrets", "set", "production/KEY", "v")
					h.must(direct, "status")
					continue
				}
				lines := strings.Split(h.must(direct, "audit", "checkpoint"), "\n")
				if len(lines) < 2 {
					return
				}
				n, _ := strconv.ParseUint(lines[1], 10, 64)
				for was := highest.Load(); n > was && !highest.CompareAndSwap(was, n); was = highest.Load() {
				}
			}
		})
	}
	all.Wait()
	if now := h.kept(); now < highest.Load() {
		t.Errorf("%d events are kept, and %d were printed", now, highest.Load())
	}
}

// TestCheckpointRouteGone: a daemon that showed a checkpoint once and now says that it
// knows of none is another one, or an older one, whatever tenant it names and whoever it
// says that we are.
func TestCheckpointRouteGone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	gone, lies := false, strings.NewReplacer()
	url := h.forward(func(r *http.Response) {
		switch {
		case gone && r.Request.URL.Path == "/v1/audit/checkpoint":
			answer(r, http.StatusNotFound, `{"error":{"code":"NOT_FOUND","message":"there is no such route"}}`)
		case r.Request.URL.Path == "/v1/me":
			answer(r, http.StatusOK, lies.Replace(body(r)))
		}
	})
	tenant := regexp.MustCompile(`ten_[a-z0-9]{26}`).FindString(h.must("unix://"+h.socket, "audit", "checkpoint"))
	other := "ten_" + strings.Repeat("b", 26)

	gone = true
	lies = strings.NewReplacer(tenant, other)
	if out, code := h.ass(url, "status"); code != 0 {
		t.Errorf("nothing was seen of that tenant, and nothing at that URL: %d, %s", code, out)
	}
	gone, lies = false, strings.NewReplacer()
	h.must(url, "status")
	gone = true
	refused := func(when string, args ...string) {
		t.Helper()
		if out, code := h.ass(url, args...); code != 1 || !strings.Contains(out, "shows no checkpoint any more") || !strings.Contains(out, "ass audit checkpoint --forget") {
			t.Errorf("%s: ass %s: exit code %d, %s", when, strings.Join(args, " "), code, out)
		}
	}
	for when, says := range map[string]*strings.Replacer{
		"honest": strings.NewReplacer(), "another tenant": strings.NewReplacer(tenant, other), "we are an agent": strings.NewReplacer(`"owner"`, `"agent"`),
		"a path for a tenant": strings.NewReplacer(tenant, "../../x"),
	} {
		lies = says
		refused(when, "status")
		refused(when, "login")
		refused(when, "audit", "checkpoint")
		refused(when, "audit", "verify")
	}
	lies = strings.NewReplacer()
	if out, code := h.ass(url, "audit", "checkpoint", "--forget"); code != 3 || !strings.Contains(out, "is forgotten; its daemon is too old") {
		t.Errorf("forgetting: %d, %s", code, out)
	}
	h.must(url, "status")
}

func body(r *http.Response) string {
	b, _ := io.ReadAll(r.Body)
	r.Body.Close()
	return string(b)
}

// answer puts another answer in the place of r.
func answer(r *http.Response, status int, text string) {
	r.StatusCode, r.Status = status, http.StatusText(status)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	r.Header.Set("Content-Length", strconv.Itoa(len(text)))
}
