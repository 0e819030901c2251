"""One command a claim: each module measures on booted machines and prints its figure last."""
