"""The crash sweep: every effect of a scenario is disturbed in every way, each in a run of its own.

    plan -> course (plays the scenario once) --fork at effect i--> blow -> until quiet -> verdict
                                                                            rules: one taken out

The prefix of a run is never played twice: at effect i the process forks, the child is disturbed
there and goes on to its end, the parent goes on undisturbed.
"""
