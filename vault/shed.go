package vault

import (
	"sync"

	"github.com/agent-secret-store/assd/audit"
)

// maxShed is how many sources are told apart; those beyond are one, without a
// name.
const (
	maxShed = 4096
	beyond  = ""
)

// shed counts attempts to authenticate that were turned away before they came
// to the writer, by source. The counts go into the trail once a minute.
type shed struct {
	mu sync.Mutex
	m  map[string]shedCount // by the class of the source
}

type shedCount struct {
	from Origin // of the first
	n    int
}

// CountFailure counts an attempt that the caller has turned away because its
// source fails too often.
func (v *Vault) CountFailure(from Origin) { v.shed.add(from.Class(), shedCount{from, 1}) }

func (s *shed) add(class string, more shedCount) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[string]shedCount{}
	}
	c, known := s.m[class]
	if !known && len(s.m) >= maxShed {
		class = beyond
		c = s.m[class]
	}
	if c.n == 0 {
		c.from = more.from
	}
	c.n += more.n
	s.m[class] = c
}

// take empties s.
func (s *shed) take() map[string]shedCount {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.m
	s.m = nil
	return m
}

func (s *shed) giveBack(m map[string]shedCount) {
	for class, c := range m {
		s.add(class, c)
	}
}

// event is what the trail says of those of a class that were turned away.
func (c shedCount) event(class string) audit.Event {
	ev := failedAuth(c.from, "refused without a look: too many failed attempts")
	if class == beyond {
		ev.Actor.Name, ev.Source, ev.RequestID, ev.ClientRef = manySources, nil, "", ""
	}
	return ev
}
