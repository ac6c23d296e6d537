package vault_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

func init() { children["filelimit"] = fileLimitChild }

// TestThreat07FileSizeLimit: a limit on the size of files is a full disk that
// needs no root; no reserve helps against it.
func TestThreat07FileSizeLimit(t *testing.T) {
	if out, err := command(t, "filelimit", t.TempDir()).CombinedOutput(); err != nil {
		t.Errorf("child: %v\n%s", err, out)
	}
}

const noLimit = ^uint64(0)

func limitFiles(t tb, bytes uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = min(bytes, limit.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
}

// fullDisk is a vault with an agent on a disk that becomes full.
type fullDisk struct {
	*house
	bot api.AgentCreated
	tok api.TokenResponse
}

func newFullDisk(t tb, dir string) *fullDisk {
	d := &fullDisk{house: houseIn(t, filepath.Join(dir, "data"))}
	d.claimIt()
	d.mustPut(d.owner, plain, "a value to be kept back")
	d.bot = d.agent("bot", "secrets:*:*")
	d.tok = d.token(d.bot.APIKey, "secrets:read:*")
	d.mustGet(d.tok.Token, plain, "a value to be kept back")
	return d
}

// fill writes until there is no space, by large values and then by small ones.
func (d *fullDisk) fill() {
	d.t.Helper()
	i := 0
	for _, size := range []int{64 << 10, 4 << 10, 1} {
		value := strings.Repeat("x", size)
		for ; ; i++ {
			_, err := d.put(d.owner, fmt.Sprintf("fill/K%d", i), value)
			if err == nil && i < 10_000 {
				continue
			}
			wantCode(d.t, "a write on a disk that becomes full", err, api.CodeStorageFull)
			break
		}
	}
}

// exhaust has strangers refused until there is no space for the smallest event, and stays
// none: whoever still reads in the background keeps pages that are free once he has done.
func (d *fullDisk) exhaust() {
	d.t.Helper()
	full := 0
	for i := range 4000 {
		_, err := d.read(d.from("", remote(fmt.Sprintf("10.0.%d.%d", i/256, i%256))), plain, 0)
		if api.CodeOf(err) != api.CodeStorageFull {
			wantCode(d.t, "a stranger's read", err, api.CodeUnauthorized)
			full = 0
			continue
		}
		if full++; full == 10 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	d.t.Fatal("the disk does not become full")
}

// reads reads until it is refused, and returns how often it was not.
func (d *fullDisk) reads(text string) (served int) {
	d.t.Helper()
	for ; served < 10_000; served++ {
		v, err := d.get(text, plain)
		if err == nil {
			continue
		}
		wantCode(d.t, "a read on a full disk", err, api.CodeStorageFull)
		if v != "" {
			d.t.Error("a value came with STORAGE_FULL")
		}
		return served
	}
	d.t.Fatal("the disk does not become full")
	return served
}

// recorded is how many reads of the agent's are in the trail.
func (d *fullDisk) recorded() (n int) {
	d.t.Helper()
	for _, ev := range d.trail(audit.Filter{Actor: d.bot.ID, Action: string(audit.SecretRead)}) {
		if ev.Outcome == audit.OK {
			n++
		}
	}
	return n
}

// refusedEverything wants nothing to be possible for an agent, and nothing to
// be written.
func (d *fullDisk) refusedEverything() {
	d.t.Helper()
	before := d.events()
	full := func(what string, err error) { d.t.Helper(); wantCode(d.t, what, err, api.CodeStorageFull) }
	_, err := d.get(d.bot.APIKey, plain)
	full("a read by key", err)
	_, err = d.put(d.bot.APIKey, plain, "x")
	full("a write", err)
	_, err = d.v.IssueToken(ctx, d.as(d.bot.APIKey), api.TokenRequest{Scopes: []string{"secrets:read:*"}})
	full("a token", err)
	_, err = d.v.List(ctx, d.as(d.tok.Token), ns(d.t, "production"))
	full("a list", err)
	_, err = d.v.CreateAgent(ctx, d.as(d.bot.APIKey), api.AgentCreate{Name: "x"})
	full("a refusal, which is an event too", err)
	if got := d.events(); got != before {
		d.t.Errorf("%d events were written all the same", got-before)
	}
}

func fileLimitChild(dir string) error {
	d := newFullDisk(inChild{}, dir)
	limitFiles(d.t, uint64(len(d.fileBytes())))
	d.fill()
	served := d.reads(d.tok.Token)
	if got := d.recorded(); got != served+1 {
		d.t.Errorf("%d reads were served and %d are in the trail", served+1, got)
	}
	d.exhaust()
	d.refusedEverything()
	_, err := d.v.RotateKEK(ctx, d.as(d.owner), api.KEKRotation{})
	wantCode(d.t, "to turn over the keys", err, api.CodeStorageFull) // and the old ones go on: below

	limitFiles(d.t, noLimit)
	d.clock.advance(time.Second)
	d.mustGet(d.tok.Token, plain, "a value to be kept back")
	d.mustPut(d.bot.APIKey, plain, "another")
	d.revokeAgent("bot")
	d.reopen()
	d.mustGet(d.owner, plain, "another")
	_, err = d.get(d.tok.Token, plain)
	wantCode(d.t, "a read by a revoked agent", err, api.CodeUnauthorized)
	d.end()
	return os.RemoveAll(d.cfg.Dir)
}
