package api

import "time"

// AgentCreate is the body of POST /v1/agents.
type AgentCreate struct {
	Name              string   `json:"name"`
	Description       string   `json:"description,omitempty"`
	AllowedNamespaces []string `json:"allowed_namespaces,omitempty"` // absent or empty: every namespace
	AllowedScopes     []string `json:"allowed_scopes,omitempty"`     // absent or empty: secrets:read:*
	Passphrase        *string  `json:"passphrase,omitempty"`
}

// Agent describes an agent, never its key.
type Agent struct {
	ID                string     `json:"id"`
	Name              string     `json:"name"`
	Description       *string    `json:"description"`
	APIKeyPrefix      string     `json:"api_key_prefix"`
	AllowedNamespaces []string   `json:"allowed_namespaces"`
	AllowedScopes     []string   `json:"allowed_scopes"`
	Active            bool       `json:"active"`
	CreatedAt         time.Time  `json:"created_at"`
	LastActiveAt      *time.Time `json:"last_active_at"`
}

// AgentCreated answers POST /v1/agents, the only time the key is shown.
type AgentCreated struct {
	Agent
	APIKey string `json:"api_key"`
}

// Agents answers GET /v1/agents: the living ones, oldest first.
type Agents struct {
	Items []Agent `json:"items"`
}
