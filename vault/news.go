package vault

import "sync"

// news wakes those who wait for a change of requests.
type news struct {
	mu sync.Mutex
	ch chan struct{} // closed by the next change
}

// next is closed by the next change after the call.
func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch == nil {
		n.ch = make(chan struct{})
	}
	return n.ch
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch != nil {
		close(n.ch)
		n.ch = nil
	}
}
