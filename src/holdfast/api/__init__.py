"""The HTTP API: parse, authorise, one store call, wake, answer.

A request goes app -> route -> store. Long work is never done here: a route writes what the user
wants together with a wake, and the reconciler does the rest.
"""
