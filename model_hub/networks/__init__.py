"""The networks of the spaces, built of what a sample says."""
