package chain

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// signatures are checked on all cores beside the walk: one takes as long as dozens
// of links. The queue is bounded, so the walk does not run ahead of them.
type signatures struct {
	jobs   chan job
	done   *sync.WaitGroup
	lowest *atomic.Uint64 // of the bad ones; 0: none
	closed bool
}

type job struct {
	head      Head
	tenant    string
	key       Key
	signature []byte
}

const signatureQueue = 1024

func newSignatures() signatures {
	s := signatures{jobs: make(chan job, signatureQueue), done: &sync.WaitGroup{}, lowest: &atomic.Uint64{}}
	for range runtime.GOMAXPROCS(0) {
		s.done.Go(func() { work(s.jobs, s.lowest) })
	}
	return s
}

func work(jobs <-chan job, lowest *atomic.Uint64) {
	for j := range jobs {
		if !j.head.Verify(j.tenant, j.key, j.signature) {
			lower(lowest, j.head.Seq)
		}
	}
}

// lower makes n the lowest bad one if it is.
func lower(lowest *atomic.Uint64, n uint64) {
	for {
		was := lowest.Load()
		if was != 0 && was <= n || lowest.CompareAndSwap(was, n) {
			return
		}
	}
}

func (s *signatures) check(j job) { s.jobs <- j }

var errSignature = errors.New("a signature does not verify")

func (s *signatures) failed() error {
	if s.lowest.Load() != 0 {
		return errSignature
	}
	return nil
}

func (s *signatures) finish() *Bad {
	if !s.closed {
		s.closed = true
		close(s.jobs)
	}
	s.done.Wait()
	if n := s.lowest.Load(); n != 0 {
		return &Bad{n, foreign}
	}
	return nil
}
