package server

// DecodeBytes is the strict decoder, for its fuzz target.
func DecodeBytes[T any](b []byte) (T, error) { return decodeBytes[T](b) }

// Waiting is how many answers wait for news.
func (s *Server) Waiting() int {
	s.waiting.mu.Lock()
	defer s.waiting.mu.Unlock()
	return s.waiting.n
}

// MaxWaitingEach is how many of them one bearer may have.
const MaxWaitingEach = maxWaitingEach

// MaxConns is how many connections the socket takes at once.
var MaxConns, _ = room()

// CutText is cutText.
var CutText = cutText

// PlainCell is plainCell.
var PlainCell = plainCell

// MaxFollowersEach is how often one bearer may follow the trail.
const MaxFollowersEach = maxFollowersEach

// FillTrail takes all places of those who walk the trail, and of those who follow it.
func (s *Server) FillTrail() {
	for _, g := range []*gate{s.walks, s.followers} {
		for i := range g.total {
			g.tryEnter(string(rune('a' + i)))
		}
	}
}
