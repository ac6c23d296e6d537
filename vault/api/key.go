package api

// What keys begin with: that of an owner, who is a person, and that of an agent.
const (
	OwnerKeyPrefix = "ask_live_"
	AgentKeyPrefix = "ask_agent_"
)
