"""holdfast simulate: what a bad day would do to a cluster, on this machine, without any cloud."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from holdfast.cli.exits import DONE, NO_ANSWER, Usage
from holdfast.cli.output import Column, fields, show, table

if TYPE_CHECKING:
    from holdfast.simulation.forecast.report import Report

SHOWN = ("name", "region", "nodes", "preset", "network", "tags", "kubernetesVersion")
SCENARIOS = (Column("SCENARIO", "name"), Column("WHAT HAPPENS", "about"))
MINUTES = (
    Column("MINUTE", "minute"),
    Column("DISPLACED", "displaced"),
    Column("$/H", "hourly"),
    Column("WHAT HAPPENED", "text"),
)
MOST_MINUTES = 48 * 60
MOST_PODS = 5000


def simulate(  # noqa: PLR0913  (one parameter an option of the command)
    scenario: str = "",
    /,
    *,
    cluster: str = "",
    file: Path | None = None,
    preset: str = "",
    seed: int = 1,
    pods: int | None = None,
    minutes: int = 120,
    list_: Annotated[bool, Parameter(name="--list")] = False,
    output: Literal["table", "json"] = "table",
) -> int:
    """Try a bad day on a copy of a cluster's specification; no cloud and no cluster is touched.

    Exit code 5: it was not over within --minutes.

    Parameters
    ----------
    scenario:
        What goes wrong; see --list.
    cluster:
        Name or id of a cluster: its specification is read from the running Holdfast.
    file:
        Or a file with a specification, as POST clusters takes it: JSON or YAML.
    preset:
        Or a preset: starter, basic or ha, on aws in eu-central.
    seed:
        All chance of the simulation: the same seed, the same result.
    pods:
        Pods that run on the workers, each 0.2 CPUs and 256 MiB; half of the CPUs without it.
    minutes:
        Simulated minutes after which it ends, also when not everything is well again.
    list_:
        Show the scenarios.
    output:
        How the result is shown.
    """
    from holdfast.simulation.forecast import strikes  # noqa: PLC0415  (the whole platform)

    if list_:
        show(
            {"items": [{"name": one.name, "about": one.about} for one in strikes.STRIKES.values()]},
            output,
            SCENARIOS,
        )
        return DONE
    _check(seed, pods, minutes)
    from holdfast.simulation.forecast.forecast import forecast  # noqa: PLC0415

    try:
        strike = strikes.strike(scenario)
        body = _specification(cluster, file, preset)
        report = forecast(body, strike, seed=seed, minutes=minutes, pods=pods)
    except strikes.Impossible as error:
        raise Usage(str(error)) from error
    _print(report, output)
    return DONE if report.quiet is not None else NO_ANSWER


def _check(seed: int, pods: int | None, minutes: int) -> None:
    if seed < 0:
        raise Usage(f"--seed {seed}: a number from 0 on")
    if pods is not None and not 0 <= pods <= MOST_PODS:
        raise Usage(f"--pods {pods}: a number from 0 to {MOST_PODS}")
    if not 1 <= minutes <= MOST_MINUTES:
        raise Usage(f"--minutes {minutes}: a number from 1 to {MOST_MINUTES}")


def _specification(cluster: str, file: Path | None, preset: str) -> dict[str, Any]:
    """The body of a create request. Raises Usage."""
    given = [name for name, value in _named(cluster, file, preset) if value]
    if len(given) != 1:
        told = " and ".join(given) + " exclude each other" if given else "there is none"
        raise Usage(f"specification: {told}; give one of --cluster, --file, --preset")
    if cluster:
        return _of_cluster(cluster)
    if preset:
        return _checked({"name": preset, "region": "eu-central", "preset": preset})
    return _checked(_of_file(file or Path()))


def _named(cluster: str, file: Path | None, preset: str) -> tuple[tuple[str, object], ...]:
    return ("--cluster", cluster), ("--file", file), ("--preset", preset)


def _of_file(file: Path) -> dict[str, Any]:
    import yaml  # noqa: PLC0415  (JSON is YAML)

    try:
        found = yaml.safe_load(file.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Usage(f"--file {file}: {error}") from error
    if not isinstance(found, dict):
        raise Usage(f"--file {file}: holds no specification; see POST clusters in the API")
    return found


def _of_cluster(name: str) -> dict[str, Any]:
    """What its user asked for, from the public API."""
    from holdfast.cli import context, find  # noqa: PLC0415

    shown = find.cluster(context.client(), name)
    if shown.get("deletedAt"):
        raise Usage(f"--cluster {name}: it is deleted")
    nodes = [
        {"cloud": n["cloud"], "role": n["role"], "shape": n["shape"], "spotConfig": n["spotConfig"]}
        for n in shown["nodes"]
    ]
    wanted = {key: shown[key] for key in SHOWN if shown.get(key) is not None}
    return _checked({**wanted, "region": shown["region"]["name"], "nodes": nodes})


def _checked(body: dict[str, Any]) -> dict[str, Any]:
    """The body without credentials: the simulation has its own. Raises Usage."""
    from holdfast.wire.cluster import ClusterRequest  # noqa: PLC0415

    wanted = {key: value for key, value in body.items() if key != "cloudCredentialsIDs"}
    try:
        request = ClusterRequest.model_validate(wanted)
    except ValueError as error:
        raise Usage(f"specification: {error}") from error
    dumped: dict[str, Any] = request.model_dump(mode="json", by_alias=True, exclude_none=True)
    return dumped


def _print(report: "Report", output: str) -> None:
    document = report.document()
    if output == "json":
        show(document, "json", ())
        return
    pods, cost = document["pods"], document["cost"]
    rows = [
        {**one, "text": text}
        if first
        else {"minute": "", "displaced": "", "hourly": "", "text": text}
        for one in document["minutes"]
        for first, text in _lines(one["happened"])
    ]
    print(f"{report.scenario}: {report.about} (seed {report.seed})\n")
    print(table(rows, MINUTES) + "\n")
    over = document["quietAfterMinutes"]
    still = f"not over after {report.samples[-1].at / 60:.0f} minutes"
    print(
        fields(
            [
                ("over", still if over is None else f"after {over:g} minutes"),
                ("cluster", f"{report.nodes} machines, status {document['status']}"),
                ("waits for", "; ".join(document["waits"][:3])),
                (
                    "pods",
                    f"{pods['mostDisplaced']} of {pods['running']} displaced at most, "
                    f"for {pods['minutesDisplaced']:g} minutes in all",
                ),
                (
                    "cost",
                    f"${cost['hourlyBefore']} per hour before, ${cost['hourlyLeast']} to "
                    f"${cost['hourlyMost']} meanwhile, ${cost['hourlyAfter']} after; "
                    f"the event: ${cost['extra']}",
                ),
                ("prices", "the simulation's own, not your cloud's"),
            ]
        )
    )


def _lines(texts: list[str]) -> list[tuple[bool, str]]:
    return [(index == 0, text) for index, text in enumerate(texts or [""])]
