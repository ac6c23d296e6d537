package main

import (
	"slices"
	"time"
)

// samples are the latencies of one kind of operation and the time they took
// together.
type samples struct {
	latencies []time.Duration
	elapsed   time.Duration
}

func (s *samples) add(elapsed time.Duration, latencies ...[]time.Duration) {
	s.elapsed += elapsed
	for _, l := range latencies {
		s.latencies = append(s.latencies, l...)
	}
}

// stats is what is told of samples.
type stats struct {
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_us"` // microseconds
	P99       float64 `json:"p99_us"`
	Count     int     `json:"count"`
}

func (s *samples) stats() stats {
	if len(s.latencies) == 0 {
		return stats{}
	}
	slices.Sort(s.latencies)
	return stats{
		PerSecond: float64(len(s.latencies)) / s.elapsed.Seconds(),
		P50:       micros(s.quantile(50)),
		P99:       micros(s.quantile(99)),
		Count:     len(s.latencies),
	}
}

// quantile of sorted latencies: the nearest rank.
func (s *samples) quantile(percent int) time.Duration {
	rank := (len(s.latencies)*percent + 99) / 100
	return s.latencies[max(rank, 1)-1]
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
