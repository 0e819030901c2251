"""The script that a machine starts with: it installs the agent as a service and ends.

It holds the platform's URL, the hashes of its CA and of the agent, the machine's UUID and a nonce
for the first contact, and no other secret: user data can be read by whoever may describe the
machine.

    cloud-init -> this script -> systemd: holdfast-agent
                                   start: CA by hash, agent by hash, then the agent itself

It is a boot hook: cloud-init runs it as soon as there is a network, a second or two before it would
run a plain script, and at every boot, which repairs a unit that was lost.
"""

import json

from holdfast.model.ids import MachineId

LIMIT = 8 * 1024  # bytes; the clouds allow 16 KiB and more

DIRECTORY = "/var/lib/holdfast-agent"

_SCRIPT = """#cloud-boothook
#!/bin/sh
# Installs the Holdfast agent: a service that makes this machine a node of its cluster.
set -eu
umask 077
mkdir -p @DIRECTORY@
cat > @DIRECTORY@/settings.json <<'EOF'
@SETTINGS@
EOF
cat > @DIRECTORY@/start.py <<'EOF'
@START@EOF
cat > /etc/systemd/system/holdfast-agent.service <<'EOF'
[Unit]
Description=Holdfast agent
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/bin/python3 -I @DIRECTORY@/start.py
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
EOF
cat > /etc/systemd/system/holdfast-forward.service <<'EOF'
[Unit]
Description=Holdfast forwarder to the API servers
StartLimitIntervalSec=0
Before=kubelet.service
[Service]
ExecStart=/usr/bin/python3 -I @DIRECTORY@/agent.pyz forward
Restart=always
RestartSec=0.5
[Install]
WantedBy=multi-user.target
EOF
systemctl daemon-reload
systemctl enable holdfast-agent.service holdfast-forward.service
systemctl start --no-block holdfast-agent.service
"""

_START = """import hashlib, json, os, random, ssl, sys, time
from urllib.request import urlopen
D = "@DIRECTORY@/"
S = json.load(open(D + "settings.json"))
def good(name, want):
    try:
        with open(D + name, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest() == want
    except OSError:
        return False
def fetch(name, path, want, tls):
    if good(name, want):
        return
    data = urlopen(S["platform"] + path, context=tls, timeout=10).read(8 << 20)
    if hashlib.sha256(data).hexdigest() != want:
        raise ValueError(path + " has another hash than user data says")
    with open(D + name + ".new", "wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    os.replace(D + name + ".new", D + name)
while True:
    try:
        # Nothing is trusted but the hash here: the CA is what makes later connections safe.
        fetch("ca.pem", "/v1/agent/ca.pem", S["caSha256"], ssl._create_unverified_context())
        tls = ssl.create_default_context(cafile=D + "ca.pem")
        fetch("agent.pyz", "/v1/agent/%s.pyz" % S["agentSha256"], S["agentSha256"], tls)
        break
    except (OSError, ValueError) as error:
        print("agent not fetched yet:", error, file=sys.stderr, flush=True)
        time.sleep(random.uniform(0.5, 1.5))
os.execv(sys.executable, [sys.executable, "-I", D + "agent.pyz", "run"])
"""


class UserDataTooBig(ValueError):
    """The script is over the limit: a bug of ours or an absurd setting, never to be retried."""


def render(
    platform_url: str, ca_sha256: str, agent_sha256: str, machine: MachineId, nonce: str
) -> bytes:
    """The user data of one machine, at most 8 KiB.

    platform_url  how machines reach the platform, "https://198.18.0.2:443"

    Raises UserDataTooBig over the limit, ValueError for an URL that is not https.
    """
    if not platform_url.startswith("https://"):
        raise ValueError(f"machines reach the platform over https, not by {platform_url!r}")
    settings = {
        "platform": platform_url.rstrip("/"),
        "caSha256": ca_sha256,
        "agentSha256": agent_sha256,
        "machine": machine,
        "nonce": nonce,
    }
    # JSON keeps every value on one line: none can end the here-document.
    script = (
        _SCRIPT.replace("@START@", _START)
        .replace("@DIRECTORY@", DIRECTORY)
        .replace("@SETTINGS@", json.dumps(settings, sort_keys=True))
        .encode()
    )
    if len(script) > LIMIT:
        raise UserDataTooBig(f"user data of machine {machine} has {len(script)} bytes > {LIMIT}")
    return script
