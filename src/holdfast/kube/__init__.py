"""A cluster's own API, as far as Holdfast needs it."""
