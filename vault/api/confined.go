package api

// How far the daemon is confined to the folders that it uses.
const (
	ConfinedFull    = "full"
	ConfinedPartial = "partial"
	ConfinedNone    = "none"
)
