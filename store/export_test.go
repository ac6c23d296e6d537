package store

// Queued returns how many operations wait for the writer.
func (db *DB) Queued() int { return db.writer.waiting() }

// MaxBatch is the most operations in one commit.
const MaxBatch = maxBatch
