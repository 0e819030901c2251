"""The instance metadata service of the EC2 machines: each source address sees its own data only."""
