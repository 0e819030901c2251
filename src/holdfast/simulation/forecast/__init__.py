"""What would happen to a cluster: its specification in a simulated world, and one bad event.

specification -> a quiet cluster with pods -> strike -> minute by minute until quiet -> report
"""
