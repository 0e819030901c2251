"""From a bare virtual machine to a node: what is sent to it, and when. Pure text and values.

user_data   the script a machine starts with; no secret but its one-time nonce
archive     the agent as one file, the same bytes for the same sources
kubeadm     what a machine shall become, handed over when it may join
addons      manifests that the first control plane applies
"""
