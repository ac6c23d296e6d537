package peer

import "time"

// What is kept of what a process calls itself, in bytes.
const (
	maxName = 64
	maxExe  = 256
)

// Process is what the system told about a process when it was looked at: hints,
// since an id may be another's by then and a name is what the process calls
// itself. Name and Exe may hold any bytes; quote them where they are shown.
type Process struct {
	PID     int
	Started time.Time // zero: unknown. To within a second, on a clock that may be set
	Name    string    // at most 64 bytes
	Exe     string    // at most 256 bytes; "" where the system does not tell
}

// seen is a process as the system told of it.
type seen struct {
	Process
	parent int    // 0: none, or outside of what we can see
	since  uint64 // when it started, in a unit of the system's, to compare
}

// Ancestry is the process and its parents, nearest first, at most most, as far as
// the system tells, which is to pid 1 at most. What is not told is left out: it
// never fails, and is empty for a process that has gone.
func Ancestry(pid, most int) []Process {
	return ancestry(newSystem().look, pid, most)
}

// ancestry ends at a parent that is younger than its child: the parent has gone,
// and another process has its id.
func ancestry(look func(pid int) (seen, bool), pid, most int) []Process {
	var way []Process
	var child seen
	for pid > 0 && len(way) < most {
		p, ok := look(pid)
		if !ok || len(way) > 0 && p.since > child.since {
			break
		}
		p.Name, p.Exe = cut(p.Name, maxName), cut(p.Exe, maxExe)
		way = append(way, p.Process)
		child, pid = p, p.parent
	}
	return way
}

func cut(s string, most int) string { return s[:min(len(s), most)] }
