package server

import (
	"context"
	"strings"
	"sync"

	"github.com/agent-secret-store/assd/vault"
)

// gate lets so many in at a time: in all, and of each kind of caller, so that one
// does not keep the others out. Zero means no bound.
type gate struct {
	total, each int

	mu   sync.Mutex
	n    int
	in   map[string]int
	left chan struct{} // closed when somebody leaves
}

func newGate(total, each int) *gate {
	return &gate{total: total, each: each, in: map[string]int{}, left: make(chan struct{})}
}

// enter waits until there is room for who, or ctx ends.
func (g *gate) enter(ctx context.Context, who string) (leave func(), err error) {
	for {
		g.mu.Lock()
		if (g.total == 0 || g.n < g.total) && (g.each == 0 || g.in[who] < g.each) {
			g.n++
			g.in[who]++
			g.mu.Unlock()
			return func() { g.leave(who) }, nil
		}
		left := g.left
		g.mu.Unlock()
		select {
		case <-left:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryEnter is enter for who does not want to wait.
func (g *gate) tryEnter(who string) (leave func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.total != 0 && g.n >= g.total || g.each != 0 && g.in[who] >= g.each {
		return nil, false
	}
	g.n++
	g.in[who]++
	return func() { g.leave(who) }, true
}

func (g *gate) leave(who string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	if g.in[who]--; g.in[who] == 0 {
		delete(g.in, who)
	}
	close(g.left)
	g.left = make(chan struct{})
}

// gates are those on the way to a handler that takes a body. Owners have their
// own: agents cannot stand in their way.
type gates struct {
	large   *gate // bodies over smallBody
	huge    *gate // over maxBody
	imports *gate // imports of whatever length: a short text can make many secrets
	exports *gate // exports, until the answer is gone: it may be long
}

func newGates() gates {
	return gates{
		large: newGate(maxLarge, maxLargeEach), huge: newGate(maxHuge, maxHugeEach),
		imports: newGate(maxImports, maxImportsEach), exports: newGate(maxExports, maxExportsEach),
	}
}

// board waits until another request of the same bearer from the same source may be
// under way: a stolen key does not hold up its owner elsewhere. Where nobody says who
// he is, of the same source.
func (s *Server) board(rq *request) (leave func(), err error) {
	if s.cfg.Vault == nil {
		return s.strangers.enter(rq.ctx(), rq.origin.Class())
	}
	if id := rq.who().Bearer(); id != "" {
		return s.flight.enter(rq.ctx(), id+" "+rq.origin.Class())
	}
	return s.strangers.enter(rq.ctx(), rq.origin.Class())
}

// enter keeps those out, before their body is read, whom the vault does not know;
// and lets only so much in at a time of what is costly.
func (s *Server) enter(rq *request, rt *route) (leave func(), err error) {
	if rt.body == 0 || rt.open() {
		return func() {}, nil
	}
	if strings.Contains(rt.pattern, pathMark) { // what is no path is told so to anyone
		if _, err := rq.secretPath(rt.sub()); err != nil {
			return nil, err
		}
	}
	holder, err := s.cfg.Vault.Admit(rq.ctx(), rq.who())
	if err != nil {
		return nil, err
	}
	return s.pass(rq, rt, holder)
}

// pass takes the caller through the gates that its request has to pass.
func (s *Server) pass(rq *request, rt *route, holder vault.Holder) (leave func(), err error) {
	size := rt.body
	if 0 <= rq.http.ContentLength && rq.http.ContentLength < size {
		size = rq.http.ContentLength
	}
	g := s.agents
	if holder.Owner {
		g = s.owners
	}
	var way []*gate
	switch {
	case rt.body == maxImportBody:
		way = append(way, g.imports)
	case rt.values():
		way = append(way, g.exports)
	}
	switch {
	case size > maxBody:
		way = append(way, g.huge)
	case size > smallBody:
		way = append(way, g.large)
	}
	return through(rq.ctx(), way, holder)
}

// through passes all the gates, or none.
func through(ctx context.Context, way []*gate, holder vault.Holder) (leave func(), err error) {
	var leaves []func()
	leave = func() {
		for _, l := range leaves {
			l()
		}
	}
	for _, g := range way {
		l, err := g.enter(ctx, holder.ID)
		if err != nil {
			leave()
			return nil, err
		}
		leaves = append(leaves, l)
	}
	return leave, nil
}
