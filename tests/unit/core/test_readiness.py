"""Whether objects are ready, case by case as kstatus judges them (its status_compute_test.go), and where we differ."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.core.readiness import HEALTHY, readiness

Body = dict[str, Any]


def condition(name: str, status: str = "True", reason: str = "", message: str = "") -> Body:
    return {"type": name, "status": status, "reason": reason, "message": message}


def body(spec: Body | None = None, *conditions: Body, generation: int = 1, **status: Any) -> Body:
    """An object whose controller has seen its newest generation."""
    status = {"observedGeneration": generation, **status, **({"conditions": list(conditions)} if conditions else {})}
    return {"metadata": {"name": "a", "generation": generation}, "spec": spec or {}, "status": status}


def deployment(wanted: int, *conditions: Body, **status: int) -> Body:
    return body({"replicas": wanted, "progressDeadlineSeconds": 45}, *conditions, **status)


COUNTS = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
ROLLED_OUT = condition("Progressing", reason="NewReplicaSetAvailable")
TIMED_OUT = condition("Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "a-1" has timed out progressing.')
AVAILABLE = condition("Available")
UNAVAILABLE = condition("Available", "False", "MinimumReplicasUnavailable", "has no minimum availability")

DEPLOYMENTS: dict[str, tuple[Body, str, str | None]] = {
    "without a status": ({"metadata": {"generation": 1}, "spec": {}}, "synced", "0 of 1 replicas"),
    "rolled out": (deployment(2, ROLLED_OUT, AVAILABLE, **COUNTS), "healthy", None),
    "fewer replicas": (deployment(3, ROLLED_OUT, AVAILABLE, **COUNTS), "synced", "2 of 3 replicas"),
    "fewer updated": (
        deployment(2, ROLLED_OUT, AVAILABLE, **{**COUNTS, "updatedReplicas": 1}),
        "synced",
        "1 of 2 updated",
    ),
    "pods that are to end": (
        deployment(2, ROLLED_OUT, AVAILABLE, **{**COUNTS, "replicas": 3}),
        "synced",
        "1 more than 2 replicas, which are to end",
    ),
    "fewer available": (
        deployment(2, ROLLED_OUT, AVAILABLE, **{**COUNTS, "availableReplicas": 1}),
        "synced",
        "1 of 2 available",
    ),
    "fewer ready": (deployment(2, ROLLED_OUT, AVAILABLE, **{**COUNTS, "readyReplicas": 1}), "synced", "1 of 2 ready"),
    "still progressing": (
        deployment(2, condition("Progressing", reason="ReplicaSetUpdated"), AVAILABLE, **COUNTS),
        "synced",
        "its newest ReplicaSet is not available",
    ),
    "without a deadline nothing tells of progress": (body({"replicas": 2}, AVAILABLE, **COUNTS), "healthy", None),
    "not available": (deployment(2, ROLLED_OUT, UNAVAILABLE, **COUNTS), "synced", "has no minimum availability"),
    "past its deadline": (
        deployment(2, TIMED_OUT, **COUNTS),
        "failed",
        'ReplicaSet "a-1" has timed out progressing.',
    ),
    "not seen by its controller": (
        {**deployment(2, ROLLED_OUT, AVAILABLE, **COUNTS), "metadata": {"generation": 2}},
        "synced",
        "its controller has seen generation 1, not 2 yet",
    ),
}


@pytest.mark.parametrize(("live", "stage", "reason"), DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_a_deployment(live: Body, stage: str, reason: str | None) -> None:
    found = readiness("apps", "Deployment", live)
    assert (found.stage, found.reason) == (stage, reason)


SETS: Body = {"replicas": 2, "readyReplicas": 2, "currentReplicas": 2, "updatedReplicas": 2}
CRASHING = [{"name": "web", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}, {"name": "log", "state": {}}]
DAEMONS: Body = {"desiredNumberScheduled": 2, "currentNumberScheduled": 2, "updatedNumberScheduled": 2}
DAEMONS |= {"numberAvailable": 2, "numberReady": 2}
TAKEN = condition("NamesAccepted", "False", "PluralConflict", '"appconfigs" is already in use')

CASES: dict[str, tuple[str, str, Body, str, str | None]] = {
    "StatefulSet rolled out": ("apps", "StatefulSet", body({"replicas": 2}, **SETS), "healthy", None),
    "StatefulSet with fewer ready": (
        "apps",
        "StatefulSet",
        body({"replicas": 2}, **{**SETS, "readyReplicas": 1}),
        "synced",
        "1 of 2 ready",
    ),
    "StatefulSet of two revisions": (
        "apps",
        "StatefulSet",
        body({"replicas": 2}, **SETS, currentRevision="a", updateRevision="b"),
        "synced",
        "its pods are not all of the newest revision",
    ),
    "StatefulSet whose pods somebody else deletes": (
        "apps",
        "StatefulSet",
        body({"replicas": 2, "updateStrategy": {"type": "OnDelete"}}),
        "healthy",
        None,
    ),
    "StatefulSet rolled out above its partition": (
        "apps",
        "StatefulSet",
        body({"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}}, **{**SETS, "updatedReplicas": 1}),
        "healthy",
        None,
    ),
    "DaemonSet without a status": ("apps", "DaemonSet", body(), "synced", "has not been seen by its controller"),
    "DaemonSet on all nodes": ("apps", "DaemonSet", body(**DAEMONS), "healthy", None),
    "DaemonSet on some nodes": (
        "apps",
        "DaemonSet",
        body(**{**DAEMONS, "numberAvailable": 1}),
        "synced",
        "1 of 2 available",
    ),
    "ReplicaSet that can't make pods": (
        "apps",
        "ReplicaSet",
        body({"replicas": 1}, condition("ReplicaFailure", message="exceeded quota")),
        "synced",
        "exceeded quota",
    ),
    "ReplicaSet with all": (
        "apps",
        "ReplicaSet",
        body({"replicas": 1}, replicas=1, fullyLabeledReplicas=1, readyReplicas=1, availableReplicas=1),
        "healthy",
        None,
    ),
    "Job not started": ("batch", "Job", body(), "synced", "has not started"),
    "Job that runs": ("batch", "Job", body(startTime="2026-01-01T00:00:00Z"), "healthy", None),
    "Job that is done": ("batch", "Job", body({}, condition("Complete")), "healthy", None),
    "Job that is suspended": ("batch", "Job", body({"suspend": True}, condition("Suspended")), "healthy", None),
    "Job that failed": (
        "batch",
        "Job",
        body({}, condition("Failed", reason="BackoffLimitExceeded", message="Job has reached the specified backoff")),
        "failed",
        "Job has reached the specified backoff",
    ),
    "Pod nobody has seen": ("", "Pod", body(), "synced", "has not been seen by its controller"),
    "Pod that can't be scheduled": (
        "",
        "Pod",
        body({}, condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available"), phase="Pending"),
        "synced",
        "0/3 nodes are available",
    ),
    "Pod that runs": ("", "Pod", body({}, condition("Ready"), phase="Running"), "healthy", None),
    "Pod that is not ready": (
        "",
        "Pod",
        body({}, condition("Ready", "False"), phase="Running"),
        "synced",
        "is not ready",
    ),
    "Pod that crashes": (
        "",
        "Pod",
        body({}, phase="Running", containerStatuses=CRASHING),
        "failed",
        "crashes again and again: web",
    ),
    "Pod that is done": ("", "Pod", body(phase="Succeeded"), "healthy", None),
    "Pod that failed": ("", "Pod", body(phase="Failed", message="evicted"), "failed", "evicted"),
    "claim that is bound": ("", "PersistentVolumeClaim", body(phase="Bound"), "healthy", None),
    "claim that waits": ("", "PersistentVolumeClaim", body(phase="Pending"), "synced", "is not bound: Pending"),
    "Service": ("", "Service", body({"type": "ClusterIP"}), "healthy", None),
    "balancer without an address": (
        "",
        "Service",
        body({"type": "LoadBalancer"}),
        "synced",
        "has no address in the cluster",
    ),
    "balancer": ("", "Service", body({"type": "LoadBalancer", "clusterIP": "10.0.0.1"}), "healthy", None),
    "Namespace": ("", "Namespace", body(phase="Active"), "healthy", None),
    "ConfigMap": ("", "ConfigMap", {"metadata": {"name": "a"}, "data": {}}, "healthy", None),
    "definition that is new": (
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        body(),
        "synced",
        "is being installed",
    ),
    "definition": (
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        body({}, condition("NamesAccepted"), condition("Established")),
        "healthy",
        None,
    ),
    "definition whose names are taken": (
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        body({}, TAKEN),
        "failed",
        '"appconfigs" is already in use',
    ),
    "APIService without its server": (
        "apiregistration.k8s.io",
        "APIService",
        body({}, condition("Available", "False", "ServiceNotFound", "service/metrics is not present")),
        "synced",
        "service/metrics is not present",
    ),
    "anything that is Ready": ("example.com", "Any", body({}, condition("Ready")), "healthy", None),
    "anything that is not": (
        "example.com",
        "Any",
        body({}, condition("Ready", "Unknown", "Waiting")),
        "synced",
        "Waiting",
    ),
    "anything that is at work": (
        "example.com",
        "Any",
        body({}, condition("Ready"), condition("Reconciling", message="pulling")),
        "synced",
        "pulling",
    ),
    "anything that is stuck": (
        "example.com",
        "Any",
        body({}, condition("Ready", "False"), condition("Stalled", reason="NoAccess")),
        "failed",
        "NoAccess",
    ),
    "anything without a status": ("example.com", "Any", {"metadata": {"name": "a"}}, "healthy", None),
    "anything that is being deleted": (
        "example.com",
        "Any",
        {"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
        "synced",
        "is being deleted",
    ),
}


@pytest.mark.parametrize(("group", "kind", "live", "stage", "reason"), CASES.values(), ids=CASES)
def test_an_object_of_another_kind(group: str, kind: str, live: Body, stage: str, reason: str | None) -> None:
    found = readiness(group, kind, live)
    assert (found.stage, found.reason) == (stage, reason)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("conditions", "replicas", "observedGeneration", "phase", "containerStatuses", "desiredNumberScheduled")
KINDS = sorted({(group, kind) for group, kind, *_ in CASES.values()} | {("apps", "Deployment")})


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(NAMES), JSON), JSON)
def test_whatever_somebody_wrote_into_a_status_it_is_judged(kind: tuple[str, str], status: Body, spec: Any) -> None:
    found = readiness(*kind, {"metadata": {"name": "a", "generation": 1}, "spec": spec, "status": status})
    assert (found.reason is None) == (found == HEALTHY)
