"""The agent: makes a machine a node, keeps it in touch with the platform. Standard library only.

    first contact -> prepare -> may I join? -> join -> joined
    beside it, for ever: heartbeats, notices of the cloud, orders of the platform, the forwarder

It runs from one archive on Debian 12, Ubuntu 22.04 and later (Python 3.10 or newer), as two systemd
services: `holdfast-agent` and `holdfast-forward`. All it must remember lies in
/var/lib/holdfast-agent, so that it goes on where it was after a restart of its machine.
"""
