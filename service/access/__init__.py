"""Access control: API keys, and the scopes that requests need."""
