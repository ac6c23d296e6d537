package vault_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault"
)

func init() { children["acknowledge"] = acknowledgeChild }

const ownerEnv = childEnv + "_OWNER"

// acknowledgeChild writes and reads for ever, from 4 goroutines, and prints what
// it was told has happened, a line each: "w PATH VERSION VALUE" or
// "r REQUEST-ID".
func acknowledgeChild(dir string) error {
	cfg := vault.Config{Dir: dir}
	v, err := vault.Open(cfg)
	if err != nil {
		return err
	}
	h := &house{t: inChild{}, cfg: cfg, v: v, owner: os.Getenv(ownerEnv)}
	fmt.Println("up")
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				h.acknowledge(fmt.Sprintf("ns%d/K%d", g, i%7))
			}
		})
	}
	wg.Wait()
	return nil
}

func (h *house) acknowledge(p string) {
	value := vault.NewRequestID()
	info := h.mustPut(h.owner, p, value)
	fmt.Println("w", p, info.Version, value)
	req := h.as(h.owner)
	r, _, err := h.v.Get(ctx, req, policy.RequestPath{Path: path(h.t, p)}, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	if got := string(r.Value.Reveal()); got != value {
		h.t.Errorf("%s is %q, want %q", p, got, value)
	}
	fmt.Println("r", req.RequestID)
}

// acked is what the children were told, over all rounds.
type acked struct {
	writes map[string]written // the newest at each path
	reads  []string           // request ids
}

type written struct {
	version uint64
	value   string
}

func (a *acked) line(t *testing.T, line string) {
	t.Helper()
	f := strings.Fields(line)
	switch {
	case len(f) == 4 && f[0] == "w":
		n, err := strconv.ParseUint(f[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if a.writes[f[1]].version < n {
			a.writes[f[1]] = written{n, f[3]}
		}
	case len(f) == 2 && f[0] == "r":
		a.reads = append(a.reads, f[1])
	case line != "up":
		t.Fatalf("a child says %q", line)
	}
}

// TestKilled: after a kill -9 at any moment the vault opens and verifies, what
// was acknowledged is there, and each read that was served is in the trail.
func TestKilled(t *testing.T) {
	h := newHouse(t)
	h.cfg.Now = time.Now
	all := acked{writes: map[string]written{}}
	for range 20 {
		h.close()
		killedRound(t, h, &all)
		if p := h.verify().Problem; p != "" {
			t.Fatalf("killed, it does not verify: %s", p)
		}
		h.open()
		h.wantAcked(&all)
	}
	if len(all.reads) < 20 || len(all.writes) == 0 {
		t.Errorf("%d reads and %d paths written in all", len(all.reads), len(all.writes))
	}
	if left, _ := filepath.Glob(h.file("*.new-*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

// killedRound runs a child and kills it: often in the midst of its work, after
// so many acknowledgements and not so much time, which a slow machine would use
// up before the first; now and then while it starts.
func killedRound(t *testing.T, h *house, all *acked) {
	t.Helper()
	killedAs(t, h, "acknowledge", all)
}

// killedAs is killedRound with the child of that name.
func killedAs(t *testing.T, h *house, child string, all *acked) {
	t.Helper()
	cmd := command(t, child, h.cfg.Dir)
	cmd.Env = append(cmd.Env, ownerEnv+"="+h.owner)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	left := 1 + rand.IntN(40) // lines: the first is "up"
	if rand.IntN(5) == 0 {
		left = 0
		killIn(cmd, 30*time.Millisecond)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if left--; left == 0 {
			killIn(cmd, 5*time.Millisecond)
		}
		all.line(t, lines.Text())
	}
	if cmd.Wait() == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v", cmd.ProcessState)
	}
}

// killIn kills within a time from now.
func killIn(cmd *exec.Cmd, within time.Duration) {
	time.AfterFunc(rand.N(within), func() { cmd.Process.Kill() }) //nolint:errcheck // Wait tells
}

func (h *house) wantAcked(all *acked) {
	h.t.Helper()
	for p, w := range all.writes {
		value, err := h.read(h.as(h.owner), p, w.version)
		switch {
		case err != nil && h.info(p).Version < w.version:
			h.t.Errorf("version %d of %s was acknowledged and is lost: %v", w.version, p, err)
		case err == nil && value != w.value:
			h.t.Errorf("version %d of %s is %q, acknowledged was %q", w.version, p, value, w.value)
		case err != nil && h.info(p).Version < w.version+10:
			h.t.Errorf("version %d of %s: %v", w.version, p, err)
		}
	}
	told := map[string]bool{}
	for _, ev := range h.trail(audit.Filter{Action: string(audit.SecretRead)}) {
		told[ev.RequestID] = true
	}
	for _, id := range all.reads {
		if !told[id] {
			h.t.Errorf("a read was served that is not in the trail")
		}
	}
}
