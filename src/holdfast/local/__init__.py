"""Commands that run our code on this machine: they put parts together and hold no logic."""
