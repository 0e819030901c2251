"""The sandbox cloud: the clouds' wire APIs on loopback, with machines that really boot."""
