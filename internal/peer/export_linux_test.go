package peer

// ParseStat reads what /proc/PID/stat holds.
func ParseStat(b []byte) (name string, parent int, since uint64, ok bool) {
	p, ok := parseStat(b)
	return p.Name, p.parent, p.since, ok
}
