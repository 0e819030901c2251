"""What joins the cloud emulator to machines and fabric: boots, networks, saving, simulation."""
