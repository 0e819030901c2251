"""Random worlds, random people, random trouble: from one seed, and written down before they act.

draw -> plan of steps (data) -> act -> judge (`run.play`)
             ^                            |
           shrink <--- while the same invariant breaks
"""
