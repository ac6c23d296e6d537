package vault_test

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
)

// bubble is a vault and a receiver in the bubble of a test, whose clock both go by.
// They are joined by pipes: what waits for a real connection holds the clock up.
type bubble struct {
	*house
	box   *mailbox
	began time.Time
	conns chan net.Conn

	mu    sync.Mutex
	down  bool        // nobody listens
	tries []time.Time // of a connection, while nobody listens
}

func withReceiver(t *testing.T, fn func(b *bubble)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{box: &mailbox{t: t, secret: newSecret(3)}, began: time.Now(), conns: make(chan net.Conn)}
		b.house = &house{t: t, cfg: vault.Config{Dir: dir, Dial: b.dial}}
		var err error
		if b.v, err = vault.Create(b.cfg); err != nil {
			t.Fatal(err)
		}
		b.claimIt()
		srv := &http.Server{Handler: b.box}
		done := make(chan struct{})
		go func() { defer close(done); srv.Serve(pipes(b.conns)) }() //nolint:errcheck // until it is closed
		fn(b)
		b.end()
		srv.Close()
		<-done
	})
}

func (b *bubble) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	b.mu.Lock()
	down := b.down
	if down {
		b.tries = append(b.tries, time.Now())
	}
	b.mu.Unlock()
	if down {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	here, there := net.Pipe()
	select {
	case b.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listens says whether somebody listens from now on, and is when it was tried while
// nobody did.
func (b *bubble) listens(does bool) (tries []time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, at := range b.tries {
		tries = append(tries, at.Sub(b.began))
	}
	b.down, b.tries = !does, nil
	return tries
}

// pipes is a listener that others put connections into.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (b *bubble) start() {
	b.tell(hookTo(b.t, "http://127.0.0.1/T0KEN", b.box.secret, "chat", "secret.write"))
}

// wantGaps wants what lies between these moments to be, but for the jitter of a fifth,
// as listed, the last of them for ever.
func wantGaps(t tb, at []time.Duration, want ...time.Duration) {
	t.Helper()
	for i := range len(at) - 1 {
		gap, w := at[i+1]-at[i], want[min(i, len(want)-1)]
		if gap < w*4/5 || gap > w*6/5+time.Second {
			t.Errorf("after try %d at %v it waits %v, want about %v", i+1, at[i], gap, w)
		}
	}
}

// TestGivenUpAfterADay: what a receiver refuses is tried again after longer and longer
// waits, and a day after its event given up, which the trail and the owners are told.
func TestGivenUpAfterADay(t *testing.T) {
	withReceiver(t, func(b *bubble) {
		b.box.answers(func(mail) int { return 500 })
		b.start()
		b.mustPut(b.owner, "a/ONE", "v")
		time.Sleep(24*time.Hour - time.Minute)
		if w := b.webhook("chat"); w.Pending != 1 || w.State != api.WebhookFailing || w.Lost != 0 || w.NextTry == nil {
			t.Errorf("a minute before the end: %+v", w)
		}
		time.Sleep(2 * time.Minute)
		tried := b.box.tried()
		var at []time.Duration
		for _, m := range tried {
			at = append(at, m.at.Sub(b.began))
			if m.id != tried[0].id {
				t.Errorf("it came as %s and as %s", tried[0].id, m.id)
			}
		}
		wantGaps(t, at, 5*time.Second, 30*time.Second, 2*time.Minute, 10*time.Minute, 30*time.Minute, time.Hour)
		if len(at) < 22 || len(at) > 36 {
			t.Errorf("tried %d times in a day", len(at))
		}
		w := b.webhook("chat")
		if w.Pending != 0 || w.Lost != 1 || w.LostReason != "given up after a day: it answered 500 Internal Server Error" {
			t.Errorf("%+v", w)
		}
		failed := b.trail(audit.Filter{Action: "webhook.failed"})
		if len(failed) != 1 || failed[0].Reason != w.LostReason || failed[0].Time.Sub(b.began) > 24*time.Hour+time.Second {
			t.Errorf("%+v", failed)
		}
		time.Sleep(7*24*time.Hour + time.Minute)
		if w := b.webhook("chat"); w.Lost != 0 {
			t.Errorf("a week later: %+v", w)
		}
	})
}

// TestDeadReceiver: one where nobody listens is tried less and less, at most ten
// minutes apart, however much waits; once it is there it gets all.
func TestDeadReceiver(t *testing.T) {
	withReceiver(t, func(b *bubble) {
		b.listens(false)
		b.start()
		for _, p := range []string{"a/ONE", "a/TWO", "a/THREE"} {
			b.mustPut(b.owner, p, "v")
		}
		time.Sleep(6 * time.Hour)
		tries := b.listens(false)
		wantGaps(t, tries, 5*time.Second, 30*time.Second, 2*time.Minute, 10*time.Minute)
		if n := len(tries); n < 36 || n > 50 {
			t.Errorf("tried %d times in 6 hours", n)
		}
		b.mustPut(b.owner, "a/FOUR", "v")
		time.Sleep(time.Second)
		if len(b.listens(false)) != 0 {
			t.Error("another event makes it hurry")
		}
		b.listens(true)
		time.Sleep(10*time.Minute + time.Second)
		if got := paths(b.box.got()); len(got) != 4 || b.webhook("chat").Pending != 0 || !slices.IsSorted(slices.DeleteFunc(slices.Clone(got), func(p string) bool { return p != "a/ONE" && p != "a/TWO" })) {
			t.Errorf("got %v", got)
		}
	})
}

// TestBlip: one that is away for a moment gets all in order.
func TestBlip(t *testing.T) {
	withReceiver(t, func(b *bubble) {
		b.listens(false)
		b.start()
		for _, p := range []string{"a/ONE", "a/TWO", "a/THREE"} {
			b.mustPut(b.owner, p, "v")
		}
		time.Sleep(time.Second)
		b.listens(true)
		time.Sleep(6 * time.Second)
		if got := joined(paths(b.box.got())); got != "a/ONE a/TWO a/THREE" {
			t.Errorf("got %s", got)
		}
	})
}

// TestMessageThatKills: one that its receiver dies of keeps the others back for some
// minutes, and not for a day.
func TestMessageThatKills(t *testing.T) {
	withReceiver(t, func(b *bubble) {
		b.box.answers(func(m mail) int {
			if strings.HasPrefix(*m.Data.ResID, "a/KILLS") {
				return 0
			}
			return 204
		})
		b.start()
		for _, p := range []string{"a/KILLS1", "a/KILLS2", "a/ONE", "a/TWO"} {
			b.mustPut(b.owner, p, "v")
		}
		time.Sleep(15 * time.Minute)
		if got := joined(paths(b.box.got())); got != "a/ONE a/TWO" {
			t.Errorf("got %s", got)
		}
		for i := range 100 {
			b.mustPut(b.owner, "a/MORE", string(rune('0'+i%10)))
			time.Sleep(time.Minute)
		}
		if n := len(b.box.got()); n < 85 {
			t.Errorf("only %d pass", n)
		}
	})
}

// TestTriedAfterAStart: what is older than a day when the daemon starts is tried once
// before it is given up.
func TestTriedAfterAStart(t *testing.T) {
	withReceiver(t, func(b *bubble) {
		b.listens(false)
		b.start()
		for _, p := range []string{"a/ONE", "a/TWO", "a/THREE"} {
			b.mustPut(b.owner, p, "v")
		}
		b.close()
		time.Sleep(3 * 24 * time.Hour)
		b.open()
		b.listens(true)
		b.start()
		time.Sleep(time.Second)
		if got := joined(paths(b.box.got())); got != "a/ONE a/TWO a/THREE" {
			t.Errorf("got %s", got)
		}
		time.Sleep(time.Minute) // no connection is kept that long
		b.listens(false)
		for _, p := range []string{"a/FOUR", "a/FIVE"} {
			b.mustPut(b.owner, p, "v")
		}
		b.close()
		time.Sleep(3 * 24 * time.Hour)
		b.open()
		b.listens(false)
		b.start()
		time.Sleep(time.Minute)
		tries := b.listens(true)
		if w := b.webhook("chat"); w.Pending != 0 || w.Lost != 2 || len(tries) != 1 {
			t.Errorf("after %d tries: %+v", len(tries), w)
		}
	})
}
