package store

// Queued returns how many operations wait for the writer.
func (db *DB) Queued() int { return db.writer.waiting() }

// SetNoted makes a copy catch up when n changed keys have piled up.
func (db *DB) SetNoted(n int) { db.noted = n }

// MaxBatch is the most operations in one commit.
const MaxBatch = maxBatch
