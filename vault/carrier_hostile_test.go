package vault_test

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/away"
	"github.com/agent-secret-store/assd/vault/webhook"
)

// rude is a receiver of checkpoints, by a real sender, that does what it likes with the
// connection. It counts what was taken of its answer, in bytes.
type rude struct {
	answer func(c net.Conn, gone <-chan struct{})
	took   atomic.Int64
}

// hook is the place for a receiver of that name.
func (r *rude) hook(t *testing.T, name string) away.Place {
	t.Helper()
	u, err := webhook.ParseURL("http://127.0.0.1/" + name)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := webhook.ParseSecrets([]byte("whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))))
	if err != nil {
		t.Fatal(err)
	}
	return away.NewHook(webhook.Config{URL: u, Secrets: keys, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			there.Read(make([]byte, 64<<10)) //nolint:errcheck // an answer before that is one to nothing
			gone := make(chan struct{})
			go func() { io.Copy(io.Discard, there); close(gone) }() //nolint:errcheck // until it hangs up
			r.answer(&counted{there, &r.took}, gone)
			<-gone
		}()
		return here, nil
	}}, time.Now)
}

// counted is a connection whose writes are counted.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.n.Add(int64(n))
	return n, err
}

const okHead = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

// TestRudeCheckpointReceivers: one that says nothing, drips, answers ten gigabytes, or
// sends us elsewhere holds nobody up and takes no memory, and the status says what is
// wrong with it.
func TestRudeCheckpointReceivers(t *testing.T) {
	const slow = "it did not answer within 15 seconds"
	for name, tt := range map[string]struct {
		answer func(c net.Conn, gone <-chan struct{})
		want   string // "": it arrives
	}{
		"hangs": {func(net.Conn, <-chan struct{}) {}, slow},
		"drips": {func(c net.Conn, gone <-chan struct{}) {
			io.WriteString(c, okHead+"X-Drip: ") //nolint:errcheck // the count tells
			for {
				if _, err := c.Write([]byte("a")); err != nil {
					return
				}
				select {
				case <-time.After(time.Second):
				case <-gone:
					return
				}
			}
		}, slow},
		"a huge answer": {func(c net.Conn, _ <-chan struct{}) {
			io.WriteString(c, okHead+"Content-Length: 10737418240\r\n\r\n") //nolint:errcheck // the count tells
			flood(c)
		}, ""},
		"a huge head": {func(c net.Conn, _ <-chan struct{}) { io.WriteString(c, okHead+"X-Flood: "); flood(c) }, "the connection ended, or its answer was no HTTP"}, //nolint:errcheck // the count tells
		"elsewhere": {func(c net.Conn, _ <-chan struct{}) {
			io.WriteString(c, "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n") //nolint:errcheck // the count tells
		}, "redirects are not followed"},
	} {
		t.Run(name, func(t *testing.T) {
			withSpot(t, func(h *house, s *spot) {
				r := &rude{answer: tt.answer}
				h.v.SetCheckpoints(hourly(r.hook(t, "x"), s))
				began := time.Now()
				h.mustPut(h.owner, "a/K", "v") // while it is at it
				if took := time.Since(began); took != 0 {
					t.Errorf("a write waited for %v", took)
				}
				time.Sleep(16 * time.Second)
				synctest.Wait()
				p := h.places()[0]
				if tt.want == "" && (p.SentAt == nil || p.Failure != "") || tt.want != "" && (p.SentAt != nil || !strings.Contains(p.Failure, tt.want) || p.NextTry == nil) {
					t.Errorf("its status: %+v", p)
				}
				if n := r.took.Load(); n > 1<<20 {
					t.Errorf("%d bytes of its answer were taken", n)
				}
				if other := h.places()[1]; other.SentAt == nil {
					t.Error("the other place waits for it")
				}
			})
		})
	}
}

// flood writes until nobody takes it.
func flood(c net.Conn) {
	b := []byte(strings.Repeat("a", 32<<10))
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// TestCheckpointsWhenTheClockGoesBack: they leave as often as before, a failure is told of
// no more often, and no time that the status names goes back.
func TestCheckpointsWhenTheClockGoesBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Int64
		h := &house{t: t, cfg: vault.Config{Dir: dir, Now: func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }}}
		var err error
		if h.v, err = vault.Create(h.cfg); err != nil {
			t.Fatal(err)
		}
		h.claimIt()
		s := &spot{name: "/mnt/usb/checkpoints", began: time.Now()}
		fails := &spot{name: "/mnt/usb/fails", began: time.Now(), fails: io.ErrClosedPipe}
		h.v.SetCheckpoints(hourly(s, fails))
		time.Sleep(time.Minute)
		before := h.places()
		back.Store(int64(49 * time.Hour))
		h.mustPut(h.owner, "a/K", "v")
		time.Sleep(2 * time.Hour)
		if got := len(s.sizes()); got < 2 {
			t.Errorf("with the clock back %d were sent", got)
		}
		after := h.places()
		if after[0].SentAt.Before(*before[0].SentAt) || after[1].FailingSince.Before(*before[1].FailingSince) || !after[1].NextTry.After(*before[1].NextTry) {
			t.Errorf("the status went back: %+v, then %+v", before, after)
		}
		if n := len(h.trail(audit.Filter{Action: string(audit.CheckpointFailed)})); n != 1 {
			t.Errorf("%d events tell of one failure", n)
		}
		h.end()
	})
}
