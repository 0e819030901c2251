"""`python -m holdfast_sandbox`: the commands of the sandbox, each loaded when it is asked for."""

from cyclopts import App

app = App(
    name="holdfast-sandbox",
    help="A cloud on this host: AWS' API on loopback, machines that boot, networks without uplink.",
)
app.command("holdfast_sandbox.machines.prepare.command:prepare", name="prepare")
app.command("holdfast_sandbox.serve:serve", name="serve")
app.command("holdfast_sandbox.inspection:probe", name="probe")
app.command("holdfast_sandbox.inspection:sweep", name="sweep")


def main() -> None:
    """Run the command of the command line; its result is the exit code."""
    app()


if __name__ == "__main__":
    main()
