"""What the fabric raises."""


class FabricError(Exception):
    """The fabric could not do what was asked; the message names the network, port or command."""
