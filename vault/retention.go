package vault

import (
	"fmt"
	"slices"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// Which versions of a secret stay. Ten bad writes must not destroy history: what
// an agent writes pushes out neither what was current in the last days nor what an
// owner wrote last.
const (
	keptVersions = 10                 // the newest ones
	keptFor      = 7 * 24 * time.Hour // each, after it has stopped being the current one
	maxVersions  = 100                // and never more
)

// retained splits the versions of a secret, oldest first and the current one last,
// into those that stay and those that go. At most maxVersions stay: past that the
// oldest go first that no owner wrote, but for the newest few, and then the oldest.
// An agent's write never gets that far, see roomFor.
func retained(all []version, now time.Time) (kept, gone []version) {
	byOwner := newestByOwner(all)
	for i, ver := range all {
		if i >= len(all)-keptVersions || i == byOwner || now.Sub(ver.Until) < keptFor {
			kept = append(kept, ver)
		} else {
			gone = append(gone, ver)
		}
	}
	for len(kept) > maxVersions {
		i := leastNeeded(kept)
		gone = append(gone, kept[i])
		kept = slices.Delete(kept, i, i+1)
	}
	return kept, gone
}

// newestByOwner is the index of the newest version that an owner wrote, or -1.
func newestByOwner(all []version) int {
	for i := len(all) - 1; i >= 0; i-- {
		if ownsID(all[i].By) {
			return i
		}
	}
	return -1
}

// leastNeeded is the index of the oldest version that no owner wrote, but for the
// newest few; without one, of the oldest.
func leastNeeded(all []version) int {
	return max(0, slices.IndexFunc(all[:len(all)-keptVersions], func(ver version) bool { return !ownsID(ver.By) }))
}

// replaced is the kept versions, each but the current one with when it stopped being
// that, also where that was not yet kept when it did.
func (h *header) replaced() []version {
	if !h.there() {
		return nil
	}
	all := slices.Clone(h.Versions)
	for i := range all {
		if next := i + 1; all[i].Until.IsZero() && next < len(all) {
			all[i].Until = all[next].At
		}
	}
	return all
}

// superseded is replaced once another version becomes the current one. What has
// expired does not come back with the new one.
func (h *header) superseded(now time.Time) []version {
	all, end := h.replaced(), h.expires()
	for i := range all {
		if all[i].Until.IsZero() {
			all[i].Until = now
		}
		if h.expired(now) && (all[i].Expires.IsZero() || end.Before(all[i].Expires)) {
			all[i].Expires = end
		}
	}
	return all
}

// full reports whether there is no room for one more version but by pushing out one
// that is to stay.
func (h *header) full(now time.Time) bool {
	all := h.superseded(now)
	if len(all) < maxVersions {
		return false
	}
	needed := 1 // the one to come
	byOwner := newestByOwner(all)
	for i, ver := range all {
		if i > len(all)-keptVersions || i == byOwner || now.Sub(ver.Until) < keptFor {
			needed++
		}
	}
	return needed > maxVersions
}

// roomFor refuses an agent's write where there is no room for another
// version of what h describes.
func (a *act) roomFor(ev audit.Event, h *header) error {
	if a.caller.kind != kindAgent || !h.full(a.now) {
		return nil
	}
	reason := fmt.Sprintf("%d versions of this secret have to be kept, and there is no room for more", maxVersions)
	return refuse(ev, api.New(api.CodeConflict, reason).
		WithHint("write less often: a version is kept for a week after it was replaced. An owner can still write"), reason)
}
