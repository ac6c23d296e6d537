package audit

import (
	"context"

	"github.com/agent-secret-store/assd/store"
)

// VerifyMeanwhile is Verify, and meanwhile something happens: when it is fixed how far the
// check goes, and nothing has been read yet.
func VerifyMeanwhile(ctx context.Context, db *store.DB, happens func() error) (Report, error) {
	v := newVerifier(ctx, db)
	return v.run(v.begin, happens, v.loadRecords, v.walk, v.settle, v.checkIndexes)
}

// Remembered is how many objects the log remembers who wrote.
func (l *Log) Remembered() int { return len(l.ledger.last) }

// Len is how many objects a walk over the trail has told of.
func (l Ledger) Len() int { return len(l.last) }

// Looked is how many events and index entries a page took.
func (p Page) Looked() int { return p.looked }

// FewTerms has blocks hold at most n terms until the test ends.
func FewTerms(t interface{ Cleanup(func()) }, n int) {
	was := maxBlockTerms
	maxBlockTerms = n
	t.Cleanup(func() { maxBlockTerms = was })
}

// FewStretchTerms has stretches with more than n terms be coarse, until what it returns is
// called.
func FewStretchTerms(n int) (back func()) {
	was := maxStretchTerms
	maxStretchTerms = n
	return func() { maxStretchTerms = was }
}
