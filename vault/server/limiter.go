package server

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/agent-secret-store/assd/vault/api"
)

// DefaultFailedAuthPerMinute is how often a minute one source may fail to
// authenticate before it is told to wait, where the configuration says nothing.
const DefaultFailedAuthPerMinute = 60

// minBurst is how often a key may be used at once, however low its rate is: one
// command is several requests.
const minBurst = 10

// Bounds of the tables of limiters.
const (
	maxLimited = 4096        // sources or keys in one table
	sweepTable = time.Second // at most so often a full table is swept
)

// limiter is a table of token buckets (x/time/rate), one for each source or key
// that has not been quiet long enough for its bucket to be full again. Those for
// whom there is no room share one. A nil limiter limits nothing.
type limiter struct {
	limit rate.Limit
	burst int

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
	shared  *rate.Limiter
	swept   time.Time
}

// newLimiter is a table of buckets that hold burst and are filled at perSecond;
// nil where perSecond is not above zero.
func newLimiter(perSecond float64, burst int) *limiter {
	if perSecond <= 0 {
		return nil
	}
	l := &limiter{limit: rate.Limit(perSecond), burst: max(burst, 1), buckets: map[string]*rate.Limiter{}}
	l.shared = l.fresh()
	return l
}

func (l *limiter) fresh() *rate.Limiter { return rate.NewLimiter(l.limit, l.burst) }

// wait is how long who has to wait until the bucket holds one again, 0 for not
// at all. It takes nothing.
func (l *limiter) wait(who string, now time.Time) time.Duration {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[who]
	if b == nil {
		if len(l.buckets) < maxLimited {
			return 0
		}
		b = l.shared
	}
	return l.untilOne(b, now)
}

func (l *limiter) untilOne(b *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - b.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / float64(l.limit) * float64(time.Second))
}

// take takes one from who's bucket, or reports how long to wait for it.
func (l *limiter) take(who string, now time.Time) time.Duration {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(who, now)
	if b.AllowN(now, 1) {
		return 0
	}
	return max(l.untilOne(b, now), 1)
}

// bucket is who's, or the shared one when the table stays full after a sweep.
func (l *limiter) bucket(who string, now time.Time) *rate.Limiter {
	if b := l.buckets[who]; b != nil {
		return b
	}
	if len(l.buckets) >= maxLimited && now.Sub(l.swept) >= sweepTable {
		l.sweep(now)
	}
	if len(l.buckets) >= maxLimited {
		return l.shared
	}
	b := l.fresh()
	l.buckets[who] = b
	return b
}

// sweep forgets buckets that are full: a new one would be the same.
func (l *limiter) sweep(now time.Time) {
	l.swept = now
	for who, b := range l.buckets {
		if b.TokensAt(now) >= float64(l.burst) {
			delete(l.buckets, who)
		}
	}
}

// limited is the refusal that says how long to wait, in whole seconds.
func limited(message string, wait time.Duration) error {
	return &api.Error{
		Code: api.CodeRateLimited, Message: message,
		RetryAfter: int((wait + time.Second - 1) / time.Second),
	}
}

// Limit sets the limits of requests, as [Config] has them; what was counted
// towards others is forgotten.
func (s *Server) Limit(failedAuthPerMinute int, requestsPerSecond float64) {
	s.failures.Store(newLimiter(float64(failedAuthPerMinute)/60, failedAuthPerMinute))
	s.perKey.Store(newLimiter(requestsPerSecond, max(minBurst, int(math.Ceil(requestsPerSecond)))))
}

// meter holds back a source that keeps failing to authenticate, and a key that
// asks for more than it may. A caller whose key or token is valid is never held
// back by the failures of others at its address.
func (s *Server) meter(rq *request, rt *route) error {
	now, perKey := s.cfg.Now(), s.perKey.Load()
	wait := s.failures.Load().wait(rq.origin.Class(), now)
	if rt.open() || wait == 0 && perKey == nil {
		return nil
	}
	holder := s.cfg.Vault.Holder(rq.who())
	if holder.ID != "" {
		if wait := perKey.take(holder.ID, now); wait > 0 {
			return limited("this key makes more requests a second than this vault allows", wait)
		}
		return nil
	}
	if wait == 0 {
		return nil // the handler refuses it, and counts that
	}
	s.cfg.Vault.CountFailure(rq.origin)
	return limited("too many failed attempts to authenticate from this source", wait)
}

// settle counts what failed.
func (s *Server) settle(rq *request, err error) {
	if err != nil && api.CodeOf(err) == api.CodeUnauthorized {
		s.failures.Load().take(rq.origin.Class(), s.cfg.Now())
	}
}
