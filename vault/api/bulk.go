package api

// ImportRequest is the body of POST /v1/secrets/import.
type ImportRequest struct {
	Namespace  string         `json:"namespace"`
	Content    *string        `json:"content"` // dotenv text, at most MaxImport bytes
	SecretType string         `json:"secret_type,omitempty"`
	AccessTier string         `json:"access_tier,omitempty"`
	Metadata   map[string]any `json:"metadata,omitempty"`
	Overwrite  *bool          `json:"overwrite,omitempty"` // absent: true; false skips what exists
	DryRun     bool           `json:"dry_run,omitempty"`   // says what would be done, and changes nothing
	Reason     string         `json:"reason,omitempty"`    // of an agent: why; shown to the owner as what the agent says
}

// What an import would do to a secret.
const (
	ImportNew       = "new"
	ImportChanged   = "changed"
	ImportUnchanged = "unchanged"
	ImportExists    = "exists" // and stays, or the caller may not read it now
)

// ImportState is what a dry run says of one secret.
type ImportState struct {
	Key   string `json:"key"`
	State string `json:"state"`
}

// ImportResponse answers an import. Imported and Keys are the same names, in the
// order of the text.
type ImportResponse struct {
	Namespace     string   `json:"namespace"`
	Imported      []string `json:"imported"`
	ImportedCount int      `json:"imported_count"`
	Keys          []string `json:"keys"`
	Skipped       int      `json:"skipped"` // existed and were not to be overwritten
	DryRun        bool     `json:"dry_run"`
	// States are of a dry run: what would become of each, in the order of the text.
	States []ImportState `json:"states,omitempty"`
}

// Purposes of an export.
const (
	ForExport = "export" // into a file, or wherever the caller puts it: an event of its own tells of the whole
	ForRun    = "run"    // into the environment of one process
)

// ExportRequest is the body of POST /v1/secrets/export.
type ExportRequest struct {
	Namespaces []string `json:"namespaces"`        // of each the secrets directly in it
	Keys       []string `json:"keys,omitempty"`    // only these; absent: all
	Purpose    string   `json:"purpose,omitempty"` // absent: "export"
	Reason     string   `json:"reason,omitempty"`  // of an agent: why; shown to the owner as what the agent says
}

// Export answers an export: by namespace, in the order of the request, then by key.
type Export struct {
	Items []Secret `json:"items"`
}
