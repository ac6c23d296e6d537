package peer

// Told is what a system of a test's own tells of a process.
type Told struct {
	Process
	Parent int
	Since  uint64
}

// AncestryOf is Ancestry on a system that tells what told holds.
func AncestryOf(told map[int]Told, pid, most int) []Process {
	return ancestry(func(pid int) (seen, bool) {
		t, ok := told[pid]
		t.PID = pid
		return seen{t.Process, t.Parent, t.Since}, ok
	}, pid, most)
}
