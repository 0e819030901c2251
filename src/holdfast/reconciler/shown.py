"""The plan of a pass in the form that the API shows."""

from holdfast.planner import words
from holdfast.planner.status import Evidence


def shown(evidence: Evidence) -> dict[str, object]:
    """The plan as the API shows it: what was done now, what failed, what waits and why.

    With what a cluster that is only observed would do.
    """
    return {
        "actions": [
            {
                "action": type(result.action).__name__,
                "subject": words.subject(result.action),
                "words": words.done(result.action),
                "error": result.error,
                "message": result.message,
            }
            for result in evidence.results
        ],
        "waiting": [
            {"subject": w.subject, "reason": w.reason, "onPerson": w.on_person}
            for w in evidence.plan.waiting
        ],
        **({"intended": _intended(evidence)} if evidence.cluster.observe_only else {}),
    }


def _intended(evidence: Evidence) -> list[dict[str, str]]:
    return [
        {"action": s.action, "subject": s.subject, "words": s.words, "hourly": f"{s.hourly:.4f}"}
        for s in evidence.intended
    ]
