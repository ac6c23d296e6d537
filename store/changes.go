package store

import "sync"

// A place is a key of a bucket.
type place struct {
	bucket Bucket
	key    string
}

// changes are the places that commits have changed since a copy was begun.
type changes struct {
	mu     sync.Mutex
	places map[place]struct{}
}

func newChanges() *changes { return &changes{places: map[place]struct{}{}} }

// note adds what a commit has changed.
func (c *changes) note(txs []*Tx) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tx := range txs {
		for _, u := range tx.undos {
			c.places[place{u.bucket, string(u.key)}] = struct{}{}
		}
	}
}

// take returns what was noted and forgets it.
func (c *changes) take() map[place]struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.places
	c.places = map[place]struct{}{}
	return taken
}

func (c *changes) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.places)
}
