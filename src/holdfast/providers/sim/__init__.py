"""An in-memory cloud behind the provider port: seeded, on virtual time, truthful about itself.

    provider -> calls -> making, removing, listing -> world -> shelf -> things
                  |                                     |
            faults, effects, record             timeline, consistency

What the platform may see goes through `provider`; what really is there, `truth` tells.
"""
