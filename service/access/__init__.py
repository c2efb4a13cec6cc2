"""Who may ask the service for what: keys, what requests need, and how often one may ask."""
