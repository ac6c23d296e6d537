package vault

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/agent-secret-store/assd/policy"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/generate"
)

// Rotator makes the next values of one secret.
type Rotator struct {
	Path     policy.Path
	Generate *generate.Recipe // nil: Command makes them
	// Command runs an outside program that is handed the JSON of a rotation and
	// prints the value. Its error says what went wrong in words of ours.
	Command func(ctx context.Context, input []byte) (Printed, error)
	Current bool          // the command is handed the current value
	Every   time.Duration // the age of a version at which the next one is made; 0: when somebody asks
}

// Printed is what a command wrote to standard output and to standard error.
type Printed struct{ Out, Err []byte }

// rotations are the rotators in force and what they are doing.
type rotations struct {
	wake bell            // the schedule is to be looked at again
	ctx  context.Context // ends what commands run when the vault is closed

	mu      sync.Mutex
	all     map[policy.Path]*Rotator
	running map[policy.Path]bool
	due     int  // scheduled ones among those
	closed  bool // none begins any more
	failed  map[policy.Path]failedRotation
	missing map[policy.Path]bool // scheduled, and there is no such secret: it was said
	helper  string               // what is wrong with what runs commands
}

// failedRotation is the last try at a secret whose rotation goes wrong.
type failedRotation struct {
	at, next time.Time // next: of the scheduled try
	tries    int       // in a row
	why      string
}

func newRotations() *rotations {
	return &rotations{
		wake: newBell(), ctx: context.Background(), running: map[policy.Path]bool{},
		failed: map[policy.Path]failedRotation{}, missing: map[policy.Path]bool{},
	}
}

// SetRotators puts rotators in force in place of those that were. What is running
// goes on by the one that it began with.
func (v *Vault) SetRotators(all []Rotator) {
	r := v.rotations
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = map[policy.Path]*Rotator{}
	for i := range all {
		r.all[all[i].Path] = &all[i]
	}
	clear(r.missing)
	for p := range r.failed {
		if r.all[p] == nil {
			delete(r.failed, p)
		}
	}
	r.look()
}

// SetRotationTrouble says what is wrong with what runs the commands of rotators; "":
// nothing. Owners are shown it.
func (v *Vault) SetRotationTrouble(why string) {
	v.rotations.mu.Lock()
	defer v.rotations.mu.Unlock()
	v.rotations.helper = why
}

// look wakes the schedule.
func (r *rotations) look() { r.wake.ring() }

// at is the rotator of p, or nil.
func (r *rotations) at(p policy.Path) *Rotator {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[p]
}

// claim reports whether p may be rotated now: nobody else is at it. Until release
// nobody else will be.
func (r *rotations) claim(p policy.Path) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running[p] || r.closed {
		return false
	}
	r.running[p] = true
	return true
}

func (r *rotations) release(p policy.Path) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, p)
}

// launch runs fn on a goroutine of the vault, unless that is being closed.
func (v *Vault) launch(fn func()) bool {
	v.rotations.mu.Lock()
	defer v.rotations.mu.Unlock()
	if v.rotations.closed {
		return false
	}
	v.done.Go(fn)
	return true
}

// close lets no rotation begin any more.
func (r *rotations) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// settle notes how a rotation of p has ended.
func (r *rotations) settle(p policy.Path, why string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if why == "" || r.all[p] == nil {
		delete(r.failed, p)
		return
	}
	f := r.failed[p]
	f.tries++
	f.at, f.why, f.next = now, why, now.Add(retryAfter(f.tries))
	r.failed[p] = f
}

// stored takes into account that there is a new value at p: what a rotator could not make
// is there, and the next one is due at another time.
func (r *rotations) stored(p policy.Path, now time.Time) {
	r.settle(p, "", now)
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := r.all[p]; one != nil && one.Every > 0 {
		r.look()
	}
}

// trouble is what an owner is told of rotators: what keeps commands from being run,
// and which secrets could not be rotated.
func (r *rotations) trouble() (helper string, failed []api.FailedRotation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, f := range r.failed {
		failed = append(failed, api.FailedRotation{Namespace: p.Namespace().String(), Key: p.Key(), At: f.at, Problem: f.why})
	}
	slices.SortFunc(failed, func(a, b api.FailedRotation) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Key, b.Key))
	})
	return r.helper, failed
}
