"""The client: the same questions over HTTP or on local files."""
