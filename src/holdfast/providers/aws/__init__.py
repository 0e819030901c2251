"""AWS behind the provider port, by the official SDK."""
