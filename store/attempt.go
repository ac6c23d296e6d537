package store

import (
	"errors"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// An attempt is one bbolt transaction and the operations that ran in it.
type attempt struct {
	btx *bolt.Tx
	txs []*Tx // of those whose hooks a rollback has to run, in order

	hookErr error // of a hook that panicked: what is in memory is unknown
}

func beginAttempt(b *bolt.DB) (*attempt, error) {
	btx, err := b.Begin(true)
	if err != nil {
		return nil, fmt.Errorf("beginning a transaction: %w", err)
	}
	return &attempt{btx: btx}, nil
}

// run runs op. opErr is what it returned, its panic included: then its changes
// are undone. err means that they could not be, or that the transaction cannot
// be trusted any more, and has to be rolled back as a whole.
func (a *attempt) run(op func(*Tx) error) (opErr, err error) {
	tx := newTx(a.btx)
	opErr = safely(func() error { return op(tx) })
	tx.ended = true
	if opErr == nil {
		a.txs = append(a.txs, tx)
		return nil, nil
	}
	return opErr, a.undo(tx, opErr)
}

func (a *attempt) undo(tx *Tx, opErr error) error {
	if errors.Is(opErr, ErrDamaged) {
		a.txs = append(a.txs, tx)
		return opErr // bbolt may have stopped half way through a change
	}
	if err := safely(tx.undo); err != nil {
		a.txs = append(a.txs, tx)
		return fmt.Errorf("undoing a failed operation: %w", err)
	}
	a.runHooks(tx)
	return a.hookErr
}

func (a *attempt) runHooks(tx *Tx) {
	err := safely(func() error { tx.runHooks(); return nil })
	a.hookErr = errors.Join(a.hookErr, err)
}

// changed reports whether there is anything to commit.
func (a *attempt) changed() bool { return slices.ContainsFunc(a.txs, (*Tx).changed) }

// discard ends the transaction without a trace.
func (a *attempt) discard() error {
	return safely(func() error {
		err := a.btx.Rollback()
		if errors.Is(err, berrors.ErrTxClosed) { // a failed commit has closed it
			return nil
		}
		return err
	})
}

// rollback is discard, and runs the hooks of every operation, newest first.
// After an error neither the transaction nor what is in memory can be trusted.
func (a *attempt) rollback() error {
	err := a.discard()
	for _, tx := range slices.Backward(a.txs) {
		a.runHooks(tx)
	}
	return errors.Join(err, a.hookErr)
}
