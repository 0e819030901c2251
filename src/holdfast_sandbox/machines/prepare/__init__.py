"""The one-time preparation of the machine image: Debian, Kubernetes and its container images."""
