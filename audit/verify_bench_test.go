package audit_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

// BenchmarkVerify is the whole check of a trail that is indexed, as large as is made in
// a few seconds, beside the hash of as many bytes on one core. What counts is
// events/s, and where others use the cores too, cpu-ns/event.
func BenchmarkVerify(b *testing.B) {
	for _, c := range []struct{ events, perCommit int }{{300_000, 5000}, {3000, 1}} {
		b.Run(fmt.Sprintf("commits of %d", c.perCommit), func(b *testing.B) {
			tr, size := benchTrail(b, c.events, c.perCommit)
			n := float64(tr.log.Head().Seq)
			b.Run("verify", func(b *testing.B) {
				begin := cpuTime(b)
				for b.Loop() {
					rep, err := audit.Verify(context.Background(), tr.db)
					if err != nil || rep.Problem != "" {
						b.Fatal(err, rep.Problem)
					}
				}
				b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(float64(cpuTime(b)-begin)/n/float64(b.N), "cpu-ns/event")
			})
			b.Run("floor", func(b *testing.B) {
				one := make([]byte, size)
				for b.Loop() {
					for range int(n) {
						sum := sha256.Sum256(one)
						one[0] = sum[0]
					}
				}
				b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			})
		})
	}
}

// cpuTime is how long this process has had any of the cores; it says more than the clock
// where others use them too.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchTrail is a trail of so many reads, with indexes, and the bytes of one event.
func benchTrail(b *testing.B, events, perCommit int) (tr *trail, size int) {
	b.Helper()
	tr = newTrail(b)
	for n := 0; n < events; {
		err := tr.update(func(tx *store.Tx) error {
			for range perCommit {
				if _, err := tr.log.Append(tx, benchEvent(n)); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for more := true; more; {
		var err error
		if more, err = tr.log.Index(context.Background(), tr.db); err != nil {
			b.Fatal(err)
		}
	}
	return tr, len(tr.get(store.Audit, seq(2)))
}

// benchEvent is the n-th read, by one of twenty agents in fifty namespaces, with all that
// the event of a read says.
func benchEvent(n int) audit.Event {
	uid, agent := 1000, n%20
	service := (agent*3 + n/20%5) % 50
	return audit.Event{
		Actor:  audit.Actor{ID: fmt.Sprintf("agt_%026d", agent), Kind: "agent", Name: fmt.Sprintf("agent-%d", agent)},
		Action: audit.SecretRead, Outcome: audit.OK, Version: 1,
		Namespace: fmt.Sprintf("team-%d/service-%d", service%7, service), Key: fmt.Sprintf("API_KEY_%d", n/100%20),
		Source:    &audit.Source{UID: &uid, PID: 40000 + n%1000, Exe: "/usr/local/bin/ass"},
		RequestID: fmt.Sprintf("req_%026d", n), TokenID: fmt.Sprintf("tok_%026d", n/100),
	}
}
