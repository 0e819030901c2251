"""Creates Kubernetes clusters from virtual machines and holds them to their specification."""
