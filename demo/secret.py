"""Prints the sandbox's secret key of a stage that `make up` started, for a shell to take up."""

import json

from demo.stage import ROOT

if __name__ == "__main__":
    ready = json.loads((ROOT / "build" / "stage" / "sandbox" / "sandbox.json").read_text())
    print(ready["credentials"]["secretAccessKey"])
