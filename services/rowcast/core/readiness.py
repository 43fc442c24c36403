"""Whether a live object does what it is for, by its own status. Pure.

Source of the rules: kstatus (github.com/kubernetes-sigs/cli-utils, pkg/kstatus/status, core.go and generic.go), which
`kubectl` tools and Flux judge by: its InProgress is `synced` here, its Current `healthy`, its Failed `failed`. Three
things are not as there. Without `Ready`, a condition `Available` is looked at (an APIService has that). A pod that
failed is `failed`: kstatus calls it current, since it will not change any more. And a pod that can't be scheduled
stays `synced`: kstatus calls it failed after 15 seconds, of which no event tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Stage = Literal["synced", "healthy", "failed"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """How far an object is beyond its delivery: `synced` is delivered and not ready yet. `reason` says what is missing,
    or what is wrong; None for a healthy one.
    """

    stage: Stage
    reason: str | None = None


HEALTHY = Readiness("healthy")


def waits(reason: str) -> Readiness:
    """Not ready yet."""
    return Readiness("synced", reason)


def readiness(group: str, kind: str, body: Mapping[str, Any]) -> Readiness:
    """Of an object as the API server returns it. Total: anybody may have written its status."""
    early = unsettled(body)
    if early is not None:
        return early
    rule = _RULES.get((group, kind), _by_conditions)
    if rule is _by_conditions and not body.get("status"):
        return HEALTHY
    conditions = _conditions(body)
    if _is_true(conditions, "Reconciling"):
        return waits(_words(conditions["Reconciling"]))
    if _is_true(conditions, "Stalled"):
        return Readiness("failed", _words(conditions["Stalled"]))
    return rule(body, conditions)


def unsettled(body: Mapping[str, Any]) -> Readiness | None:
    """Of an object whose status says nothing of what it is now: it is on its way out, or its controller is behind."""
    metadata, observed = body["metadata"], _at(body, "status", "observedGeneration")
    if metadata.get("deletionTimestamp"):
        return waits("is being deleted")
    generation = metadata.get("generation")
    if _is_number(generation) and _is_number(observed) and generation != observed:
        return waits(f"its controller has seen generation {observed}, not {generation} yet")
    return None


Conditions = Mapping[str, Mapping[str, Any]]
"""By their types."""


def _by_conditions(_body: Mapping[str, Any], conditions: Conditions) -> Readiness:
    """Of a kind without a rule of its own: by `Ready`, or else `Available`, or else it is ready as it is."""
    for name in ("Ready", "Available"):
        if name in conditions:
            return HEALTHY if _is_true(conditions, name) else waits(_words(conditions[name]))
    return HEALTHY


def _always(_body: Mapping[str, Any], _conditions: Conditions) -> Readiness:
    return HEALTHY


def _deployment(body: Mapping[str, Any], conditions: Conditions) -> Readiness:
    progressing = conditions.get("Progressing", {})
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Readiness("failed", _words(progressing))
    wanted = _count(body, "spec", "replicas", default=1)
    there, updated = _count(body, "status", "replicas"), _count(body, "status", "updatedReplicas")
    available = _count(body, "status", "availableReplicas")
    # Its controller tells of progress only where there is a deadline for it (2^31 - 1 is none).
    deadline = _count(body, "spec", "progressDeadlineSeconds", default=_NO_DEADLINE)
    arrived = _is_true(conditions, "Progressing") and progressing.get("reason") == "NewReplicaSetAvailable"
    return (
        _fewer("replicas", there, wanted)
        or _fewer("updated", updated, wanted)
        or _more(there, wanted)
        or _fewer("available", available, updated)
        or _fewer("ready", _count(body, "status", "readyReplicas"), wanted)
        or (None if arrived or deadline == _NO_DEADLINE else waits("its newest ReplicaSet is not available"))
        or (None if _is_true(conditions, "Available") else waits(_told(conditions, "Available", "is not available")))
        or HEALTHY
    )


def _stateful_set(body: Mapping[str, Any], _conditions: Conditions) -> Readiness:
    if _at(body, "spec", "updateStrategy", "type") == "OnDelete":
        return HEALTHY  # whoever deletes its pods decides
    wanted = _count(body, "spec", "replicas", default=1)
    there, updated = _count(body, "status", "replicas"), _count(body, "status", "updatedReplicas")
    soon = (
        _fewer("replicas", there, wanted)
        or _fewer("ready", _count(body, "status", "readyReplicas"), wanted)
        or _more(there, wanted)
    )
    if soon:
        return soon
    partition = _at(body, "spec", "updateStrategy", "rollingUpdate", "partition")
    if _is_number(partition):
        return _fewer("updated", updated, wanted - partition) or HEALTHY
    one_revision = _at(body, "status", "currentRevision") == _at(body, "status", "updateRevision")
    return (
        _fewer("current", _count(body, "status", "currentReplicas"), wanted)
        or (None if one_revision else waits("its pods are not all of the newest revision"))
        or HEALTHY
    )


def _replica_set(body: Mapping[str, Any], conditions: Conditions) -> Readiness:
    if _is_true(conditions, "ReplicaFailure"):
        return waits(_words(conditions["ReplicaFailure"]))
    wanted = _count(body, "spec", "replicas", default=1)
    return (
        _fewer("labelled", _count(body, "status", "fullyLabeledReplicas"), wanted)
        or _fewer("available", _count(body, "status", "availableReplicas"), wanted)
        or _fewer("ready", _count(body, "status", "readyReplicas"), wanted)
        or _more(_count(body, "status", "replicas"), wanted)
        or HEALTHY
    )


def _daemon_set(body: Mapping[str, Any], _conditions: Conditions) -> Readiness:
    wanted = _at(body, "status", "desiredNumberScheduled")
    if not _is_number(_at(body, "status", "observedGeneration")) or not _is_number(wanted):
        return waits("has not been seen by its controller")
    return (
        _fewer("scheduled", _count(body, "status", "currentNumberScheduled"), wanted)
        or _fewer("updated", _count(body, "status", "updatedNumberScheduled"), wanted)
        or _fewer("available", _count(body, "status", "numberAvailable"), wanted)
        or _fewer("ready", _count(body, "status", "numberReady"), wanted)
        or HEALTHY
    )


def _job(body: Mapping[str, Any], conditions: Conditions) -> Readiness:
    """One that runs is as it should be; only that it failed, or has not begun, says otherwise."""
    if _is_true(conditions, "Failed"):
        return Readiness("failed", _words(conditions["Failed"]))
    suspended = _is_true(conditions, "Suspended") and _at(body, "spec", "suspend") is True
    if _is_true(conditions, "Complete") or suspended or _at(body, "status", "startTime"):
        return HEALTHY
    return waits("has not started")


def _pod(body: Mapping[str, Any], conditions: Conditions) -> Readiness:
    match _at(body, "status", "phase"):
        case "Succeeded":
            return HEALTHY
        case "Failed":
            return Readiness("failed", _text(_at(body, "status", "message"), _at(body, "status", "reason")) or "failed")
        case "Running" if _is_true(conditions, "Ready"):
            return HEALTHY
        case "Running":
            crashing = ", ".join(_crashing(body))
            return Readiness("failed", f"crashes again and again: {crashing}") if crashing else waits("is not ready")
        case "Pending":
            return waits(_told(conditions, "PodScheduled", "is pending"))
    return waits("has not been seen by its controller")


def _crashing(body: Mapping[str, Any]) -> list[str]:
    """The containers that the kubelet waits to start once more."""
    found = _at(body, "status", "containerStatuses")
    some = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    return [str(one.get("name")) for one in some if _at(one, "state", "waiting", "reason") == "CrashLoopBackOff"]


def _claim(body: Mapping[str, Any], _conditions: Conditions) -> Readiness:
    phase = _at(body, "status", "phase")
    return HEALTHY if phase == "Bound" else waits(f"is not bound: {phase or 'not seen by its controller'}")


def _service(body: Mapping[str, Any], _conditions: Conditions) -> Readiness:
    """Of type LoadBalancer: kstatus asks for the cluster's address, not for the balancer's."""
    if _at(body, "spec", "type") == "LoadBalancer" and not _at(body, "spec", "clusterIP"):
        return waits("has no address in the cluster")
    return HEALTHY


def _definition(_body: Mapping[str, Any], conditions: Conditions) -> Readiness:
    accepted, established = conditions.get("NamesAccepted", {}), conditions.get("Established", {})
    if accepted.get("status") == "False":
        return Readiness("failed", _words(accepted))
    if established.get("status") == "False" and established.get("reason") != "Installing":
        return Readiness("failed", _words(established))
    return HEALTHY if _is_true(conditions, "Established") else waits("is being installed")


_RULES: Mapping[tuple[str, str], Callable[[Mapping[str, Any], Conditions], Readiness]] = {
    ("", "ConfigMap"): _always,
    ("", "Secret"): _always,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Service"): _service,
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _always,
    ("policy", "PodDisruptionBudget"): _always,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
_NO_DEADLINE = 2**31 - 1


def _fewer(what: str, there: int, wanted: int) -> Readiness | None:
    return waits(f"{there} of {wanted} {what}") if there < wanted else None


def _more(there: int, wanted: int) -> Readiness | None:
    return waits(f"{there - wanted} more than {wanted} replicas, which are to end") if there > wanted else None


def _conditions(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found = _at(body, "status", "conditions")
    some = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    return {str(one.get("type")): one for one in some}


def _is_true(conditions: Conditions, name: str) -> bool:
    return conditions.get(name, {}).get("status") == "True"


def _told(conditions: Conditions, name: str, otherwise: str) -> str:
    """What a condition that is not true says, if it is there."""
    condition = conditions.get(name)
    return otherwise if condition is None or condition.get("status") == "True" else _words(condition)


def _words(condition: Mapping[str, Any]) -> str:
    text = _text(condition.get("message"), condition.get("reason"))
    return text or f"{condition.get('type')} is {condition.get('status')}"


def _text(*candidates: object) -> str | None:
    return next((text for text in candidates if isinstance(text, str) and text), None)


def _at(body: Mapping[str, Any], *path: str) -> Any:
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _count(body: Mapping[str, Any], *path: str, default: int = 0) -> int:
    value = _at(body, *path)
    return int(value) if _is_number(value) else default


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
