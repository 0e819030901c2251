"""Machines that boot on this host: their image, their cgroups, their life and their console."""
