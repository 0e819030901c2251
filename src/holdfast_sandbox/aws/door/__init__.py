"""The door of the emulated cloud: who calls, how often, and what they may do."""
