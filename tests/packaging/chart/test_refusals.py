"""What can't be meant is refused with one sentence that says what to set."""

from __future__ import annotations

import re

import pytest

from charting.rendering import RefusedError, render

REFUSED = {
    "no target at all": (
        ["global.targets.k8s.enabled=false", "global.targets.git.enabled=false"],
        "both false: enable at least one",
    ),
    "two targets in one namespace of one cluster": (
        ["global.targets.k8s-eu.kind=k8s"],
        "global.targets.k8s-eu and global.targets.k8s are one place",
    ),
    "two targets in one folder of a branch": (
        [
            f"global.targets.{name}.{setting}"
            for name in "ab"
            for setting in ("kind=git", "git.url=https://git/x", "git.existingSecret=s")
        ],
        "global.targets.b and global.targets.a are one place",
    ),
    "a repository of a target's own without its URL": (
        ["global.targets.git-us.kind=git"],
        "global.targets.git-us needs global.targets.git-us.git.url and global.targets.git-us.git.existingSecret",
    ),
    "a repository for a cluster": (
        ["global.targets.k8s-eu.kind=k8s", "global.targets.k8s-eu.git.url=https://git/x"],
        "global.targets.k8s-eu.git is for targets of the kind git",
    ),
    "a value that an instance hasn't": (
        ["global.targets.k8s-eu.kind=k8s", "global.targets.k8s-eu.sync.cacheSize=1Gi"],
        "global.targets.k8s-eu.sync.cacheSize is not a value of a target's instance: it has those of sync.k8s",
    ),
    "a login by OpenID Connect without its provider": (
        ["ui.auth.clientId=c", "ui.auth.redirectUri=https://x/oauth2callback", "ui.auth.existingSecret=s"],
        "needs ui.auth.serverMetadataUrl: without it there is no login",
    ),
    "a target of a name that no object could have": (
        ["global.targets.eu_1.kind=k8s"],
        "global.targets.eu_1: a target's name is of lower-case letters, digits and hyphens",
    ),
    "a declaration of a name that no file could have": (
        ["renderers.Tenants.kind=Renderer"],
        "renderers.Tenants: a declaration's name is of lower-case letters, digits and hyphens",
    ),
    "a slip in what a target's instance has": (
        ["global.targets.k8s-eu.kind=k8s", "global.targets.k8s-eu.sync.autoscaling.engin=keda"],
        "/global/targets/k8s-eu/sync/autoscaling': additional properties 'engin' not allowed",
    ),
    "a value of a target's instance that is none": (
        ["global.targets.k8s-eu.kind=k8s", "global.targets.k8s-eu.sync.replicas=two"],
        "/global/targets/k8s-eu/sync/replicas",
    ),
    "a name of the chart's that no object could have": (["fullnameOverride=Foo_Bar"], "/fullnameOverride"),
    "a product's name that is no label": (["global.nameOverride=our product"], "/global/nameOverride"),
    "more pods at least than at most": (
        ["crud.autoscaling.enabled=true", "crud.autoscaling.minReplicas=5", "crud.autoscaling.maxReplicas=2"],
        "autoscaling of crud has minReplicas=5 and maxReplicas=2",
    ),
    "more pods at least than at most, by KEDA": (
        ["sync.k8s.autoscaling.engine=keda", "sync.k8s.autoscaling.minReplicas=7"],
        "autoscaling of sync-k8s has minReplicas=7 and maxReplicas=6",
    ),
    "a claim that nothing is kept in": (
        ["postgres.persistence.enabled=false", "postgres.persistence.existingClaim=c"],
        "postgres.persistence.existingClaim needs postgres.persistence.enabled=true",
    ),
    "a Service that leads past the doors": (["crud.service.type=LoadBalancer"], "additional properties 'type'"),
    "no database": (["postgres.enabled=false"], "postgres.enabled=false needs global.postgres.host"),
    "two databases": (
        ["global.postgres.host=db", "global.postgres.existingSecret=s"],
        "global.postgres.host is set and postgres.enabled=true",
    ),
    "a database of one's own without passwords": (
        ["postgres.enabled=false", "global.postgres.host=db"],
        "global.postgres.host needs global.postgres.existingSecret",
    ),
    "a database to verify by no CA": (
        ["global.postgres.sslMode=verify-full"],
        "global.postgres.sslMode=verify-full needs global.postgres.caSecret.name",
    ),
    "no broker": (["kafka.enabled=false"], "kafka.enabled=false needs global.kafka.brokers"),
    "two brokers": (["global.kafka.brokers=k:9092"], "global.kafka.brokers is set and kafka.enabled=true"),
    "a login to the included broker": (
        ["global.kafka.sasl.mechanism=PLAIN", "global.kafka.sasl.existingSecret=s"],
        "the included one has its own login",
    ),
    "a login to Kafka without a secret": (
        ["kafka.enabled=false", "global.kafka.brokers=k:9092", "global.kafka.sasl.mechanism=PLAIN"],
        "global.kafka.sasl.mechanism needs global.kafka.sasl.existingSecret",
    ),
    "Connect without Kafka": (
        ["global.broker.kind=redis", "global.capture.kind=connect"],
        "global.capture.kind=connect needs global.broker.kind=kafka",
    ),
    "no Redis": (
        ["global.broker.kind=redis", "redis.enabled=false"],
        "redis.enabled=false needs global.redis.address",
    ),
    "two NATS servers": (
        ["global.broker.kind=jetstream", "global.jetstream.address=n:4222"],
        "global.jetstream.address is set and jetstream.enabled=true",
    ),
    "TLS to the included RabbitMQ": (
        ["global.broker.kind=rabbitmq", "global.rabbitmq.tls.enabled=true"],
        "global.rabbitmq.tls is for your own broker",
    ),
    "a RabbitMQ of one's own without a login": (
        ["global.broker.kind=rabbitmq", "rabbitmq.enabled=false", "global.rabbitmq.address=r:5672"],
        "global.rabbitmq.address needs global.rabbitmq.existingSecret",
    ),
    "scaling by a NATS that nobody can ask": (
        [
            "global.broker.kind=jetstream",
            "jetstream.enabled=false",
            "global.jetstream.address=n:4222",
            "sync.k8s.autoscaling.engine=keda",
        ],
        "needs global.jetstream.monitoring",
    ),
    "nobody to capture": (
        ["global.broker.kind=redis", "capture.enabled=false"],
        "capture.enabled=false leaves nobody to capture",
    ),
    "a login in a broker's address": (
        ["global.broker.kind=redis", "redis.enabled=false", "global.redis.address=me:secret@r:6379"],
        "/global/redis/address",
    ),
    "a kind of broker that there is not": (["global.broker.kind=pulsar"], "/global/broker/kind"),
    "no Connect": (["connect.enabled=false"], "connect.enabled=false needs global.connect.url"),
    "a login in Connect's URL": (
        ["connect.enabled=false", "global.connect.url=http://a:hidden@c:8083"],
        "global.connect.login.existingSecret",
    ),
    "two Connects": (["global.connect.url=http://c:8083"], "global.connect.url is set and connect.enabled=true"),
    "a Git target without a repository": (
        ["git-server.enabled=false"],
        "git-server.enabled=false needs global.git.url",
    ),
    "a login in the repository's URL": (
        ["git-server.enabled=false", "global.git.url=https://me:secret@g/x.git", "global.git.existingSecret=s"],
        "global.git.url must not have a login",
    ),
    "a token in the repository's URL": (
        ["git-server.enabled=false", "global.git.url=https://g/x.git?private_token=secret"],
        "global.git.url must not have a login",
    ),
    "a login in the forge's URL": (
        ["global.git.forge.url=https://secret@g/api/v1"],
        "global.git.forge.url must not have a login",
    ),
    "two repositories": (["global.git.url=https://g/x.git"], "global.git.url is set and git-server.enabled=true"),
    "a repository without a login": (
        ["git-server.enabled=false", "global.git.url=https://g/x.git"],
        "global.git.url needs global.git.existingSecret",
    ),
    "pull requests at the included repository": (
        ["global.git.mode=pull-request"],
        "global.git.mode=pull-request needs global.git.url",
    ),
    "pull requests without a token": (
        [
            "git-server.enabled=false",
            "global.git.url=https://g/o/x.git",
            "global.git.existingSecret=s",
            "global.git.mode=pull-request",
            "global.git.forge.kind=gitea",
            "global.git.forge.url=https://g/api/v1",
        ],
        "needs global.git.forge.kind, global.git.forge.url and global.git.forge.tokenSecret.name",
    ),
    "GitOps without Git": (
        ["global.gitops.engine=flux", "global.targets.git.enabled=false"],
        "global.gitops.engine=flux needs global.targets.git.enabled=true",
    ),
    "two writers to one namespace": (
        ["global.gitops.engine=argocd"],
        "global.gitops.engine=argocd and the target k8s would both write to the namespace rowcast",
    ),
    "an open door without a name": (
        ["ui.ingress.enabled=true", "ui.login.mode=required"],
        "ui.ingress.enabled needs ui.ingress.host",
    ),
    "an open door without a login": (
        ["ui.ingress.enabled=true", "ui.ingress.host=h"],
        "ui.ingress.enabled without a login would let everybody in who reaches it: set ui.login.existingSecret",
    ),
    "a balanced port without a login": (
        ["ui.service.type=LoadBalancer"],
        "ui.service.type=LoadBalancer without a login would let everybody in",
    ),
    "a node's port without a login": (["ui.service.type=NodePort"], "ui.service.type=NodePort without a login"),
    "a login and none": (
        ["ui.login.mode=none", "ui.login.existingSecret=s"],
        "ui.login.mode=none and ui.login.existingSecret contradict each other",
    ),
    "a login in another word": (["ui.login.mode=yes"], "login"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses(case: str) -> None:
    settings, sentence = REFUSED[case]

    with pytest.raises(RefusedError) as refused:
        render(*settings)

    assert sentence in str(refused.value)


def test_without_dapr_in_the_cluster_it_says_what_to_install_and_how_to_render_without() -> None:
    with pytest.raises(RefusedError, match=re.escape("dapr.io/v1alpha1")) as refused:
        render(crds_required=True)

    assert "Install Dapr's control plane first" in str(refused.value)
    assert "--set global.dapr.requireCrds=false" in str(refused.value)


def test_what_another_kind_of_broker_has_of_ones_own_says_nothing() -> None:
    assert render("global.broker.kind=redis", "kafka.enabled=false", "connect.enabled=false")


def test_a_git_server_that_nobody_needs_is_left_away() -> None:
    manifests = render("global.targets.git.enabled=false")

    assert not [one for one in manifests if "git" in one["metadata"]["name"]]
