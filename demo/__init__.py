"""The main job, told on a terminal: a real cluster, created, held and deleted in the sandbox."""
