"""How it is carried over HTTP: the protocol, limits, middleware, responses, errors."""
