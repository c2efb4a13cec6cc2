"""The HTTP layer: protocol, limits, middleware, responses and errors."""
