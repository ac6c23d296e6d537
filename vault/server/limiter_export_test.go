package server

import "time"

// Limiter is a table of token buckets, for tests with a clock of their own.
type Limiter struct{ l *limiter }

// NewLimiter is newLimiter.
func NewLimiter(perSecond float64, burst int) Limiter { return Limiter{newLimiter(perSecond, burst)} }

// Take is take.
func (t Limiter) Take(who string, now time.Time) time.Duration { return t.l.take(who, now) }

// Wait is wait.
func (t Limiter) Wait(who string, now time.Time) time.Duration { return t.l.wait(who, now) }

// Size is how many buckets the table holds.
func (t Limiter) Size() int { return len(t.l.buckets) }

// MaxLimited is how many it may hold.
const MaxLimited = maxLimited
