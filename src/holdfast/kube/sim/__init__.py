"""A cluster's own API in memory, behind the kube port.

client -> server (reachable? slow?) -> cluster (etcd, nodes, pods, controllers) -> scheduler
"""
