"""What is asked over HTTP: a router a topic."""
