"""Faults that have no test at a level yet, each with the part it waits for. It may only shrink."""

_PARTS = {
    "its own test in the simulation": (
        "F02S F05S F06S F09S F17S F18S F24S F26S F27S F41S F54S F55S"
    ),
    "the emulator of a cloud that makes a machine from parts": "F09W",
    "removal of what a cluster's own controllers made": "F11S F11W",
    "booted tests of lost and returning machines": "F16B F26B F35B F36B",
    "counting free addresses of subnets": "F25P",
    "the platform as a process over the wire emulator, machines simulated": ("F27W F30W F40W F59W"),
    "drains outside of announced ends": "F28P F28S F28B",
    "volumes of pods": "F29S",
    "notices from a cloud's queue": "F34S F34W",
    "snapshots of etcd": "F37S F37B",
    "rotation of certificates": "F42S F42B",
    "upgrades": "F44P F44S",
    "start in observe-only after a restore": "F45S",
    "autoscaler": "F47P F47S F48P F48S F49P F49S",
    "the mesh of WireGuard": "F50B F51S F51B",
    "a mirror of images, probed before the join": "F52S",
    "the emulator of a cloud with operations": "F63W",
}

WAITING: dict[tuple[str, str], str] = {
    (word[:-1], word[-1]): part for part, words in _PARTS.items() for word in words.split()
}
