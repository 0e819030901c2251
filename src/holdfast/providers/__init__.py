"""The clouds behind one port: five methods, all safe to repeat."""
