"""The small services that are answered here and not by moto."""
