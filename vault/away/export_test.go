package away

import "context"

// Attempts are those of one place.
type Attempts struct{ a attempts }

func (a *Attempts) Run(ctx context.Context, fn func() error) error { return a.a.run(ctx, fn) }
