"""EC2 over moto: the checks, the life of machines, and one way to list everything."""
