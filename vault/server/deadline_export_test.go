package server

import (
	"context"
	"time"
)

// Hurry makes the deadlines that each request begins with this short, before it serves.
func (s *Server) Hurry(d time.Duration) { s.front.http.ReadTimeout, s.front.http.WriteTimeout = d, d }

// Delay makes the handler of that route begin so much later, before it serves.
func (s *Server) Delay(name string, d time.Duration) {
	for i := range s.routes {
		if rt := &s.routes[i]; rt.name == name {
			handle := rt.handle
			rt.handle = func(rq *request) (any, error) {
				select {
				case <-time.After(d):
					return handle(rq)
				case <-rq.ctx().Done():
					return nil, rq.ctx().Err()
				}
			}
		}
	}
}

// MaxPassed is how many events a page may lie behind without a place among the walks.
const MaxPassed = maxPassed

// Release ends the server as a seal does.
func (s *Server) Release(ctx context.Context) error { return s.front.Release(ctx) }
