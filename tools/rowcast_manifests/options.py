"""The choices that chart and Kustomize offer alike: a component of Kustomize is some values of the chart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_GIT_URL = "https://git.example.com/platform/configurations.git"


@dataclass(frozen=True)
class Option:
    """The component `name`: what `values` change in the chart's rendering, laid over the base and `after`.

    An option for `every_part` gives objects to the other parts (a policy, say). It comes first in an overlay, so that
    the options after it find those objects. A `broker` other than Kafka comes right after those, since it puts other
    parts in the place of Kafka and Connect. What is `of_kafka` doesn't go with it. A `whole` one brings a part, and all
    that options for every part give to it: it goes with none of them but those that it is `after`.
    """

    name: str
    summary: str
    values: Mapping[str, Any]
    after: tuple[str, ...] = ()
    every_part: bool = False
    broker: bool = False
    of_kafka: bool = False
    whole: bool = False


BASE: Mapping[str, Any] = {
    "global": {
        "dapr": {
            # Whoever applies the files finds out by himself.
            "requireCrds": False,
            "apiToken": {"existingSecret": "rowcast-dapr-api-token"},
            "appToken": {"existingSecret": "rowcast-dapr-app-token"},
        },
        "postgres": {"existingSecret": "rowcast-postgres"},
        "git": {"existingSecret": "rowcast-git"},
        "kafka": {"usersSecret": "rowcast-broker"},
        "redis": {"existingSecret": "rowcast-redis"},
        "rabbitmq": {"existingSecret": "rowcast-rabbitmq"},
        "jetstream": {"existingSecret": "rowcast-jetstream"},
        "connect": {"login": {"existingSecret": "rowcast-connect"}},
    },
    # Kustomize has no `helm test`.
    "check": {"enabled": False},
}
"""The chart's defaults, with secrets of one's own: a made-up password has no place in a file."""


def _external(kind: str, address: str) -> Mapping[str, Any]:
    tls = {"enabled": True, "caSecret": {"name": f"rowcast-{kind}-ca"}}
    return {"global": {kind: {"address": address, "tls": tls}}, kind: {"enabled": False}}


_RENDERERS: Mapping[str, Any] = {
    "renderersFrom": {"configMap": "rowcast-renderers"},
    # They are an overlay's own, as the declarations are: `rowcast renderer rights` writes them.
    "renderersRights": {"elsewhere": True},
}

_ACCESS: Mapping[str, Any] = {
    "crud": {
        "access": {
            "policy": "g, group:platform, role:admin\n",
            "issuers": [{"issuer": "https://login.example.com", "audiences": ["rowcast"], "subject": "email"}],
        }
    }
}

_SPREAD = [
    {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway"}
    for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
]

_FURTHER_CLUSTER: Mapping[str, Any] = {
    "global": {
        "targets": {
            "k8s-eu": {
                "kind": "k8s",
                "namespace": "apps",
                "sync": {"kubeconfigSecret": {"name": "rowcast-k8s-eu"}},
            }
        }
    }
}

OPTIONS: tuple[Option, ...] = (
    Option(
        "network-policies",
        "Pods also reach only what they need; that they are reached only by whom they serve, the base sees to.",
        {"networkPolicies": {"egress": True}},
        every_part=True,
    ),
    Option(
        "monitoring",
        "Prometheus (by its operator) scrapes the services and has the alerts; Grafana has the dashboard.",
        {"monitoring": {"podMonitor": {"enabled": True}, "rules": {"enabled": True}, "dashboard": {"enabled": True}}},
        every_part=True,
    ),
    Option(
        "high-availability",
        "Two pods of crud, of the dashboard and of sync-k8s, on two nodes if there are; no drain takes both.",
        {
            "crud": {"replicas": 2, "podDisruptionBudget": {"enabled": True}, "topologySpreadConstraints": _SPREAD},
            "ui": {"replicas": 2, "podDisruptionBudget": {"enabled": True}, "topologySpreadConstraints": _SPREAD},
            "sync": {
                "k8s": {"replicas": 2, "podDisruptionBudget": {"enabled": True}, "topologySpreadConstraints": _SPREAD}
            },
        },
        every_part=True,
    ),
    Option(
        "broker-redis",
        "Redis Streams in the place of Kafka, and Debezium's engine in that of Connect; its login in rowcast-redis.",
        {"global": {"broker": {"kind": "redis"}}},
        broker=True,
    ),
    Option(
        "broker-rabbitmq",
        "RabbitMQ in the place of Kafka, and Debezium's engine in that of Connect; its login in rowcast-rabbitmq.",
        {"global": {"broker": {"kind": "rabbitmq"}}},
        broker=True,
    ),
    Option(
        "broker-jetstream",
        "NATS JetStream in the place of Kafka, Debezium's engine in that of Connect; its login in rowcast-jetstream.",
        {"global": {"broker": {"kind": "jetstream"}}},
        broker=True,
    ),
    Option(
        "external-redis",
        "A Redis of one's own, with TLS: login and URL in rowcast-redis, who vouches for it in rowcast-redis-ca.",
        _external("redis", "redis.example.com:6380"),
        after=("broker-redis",),
    ),
    Option(
        "external-rabbitmq",
        "A RabbitMQ of one's own, with TLS: its URL in rowcast-rabbitmq, who vouches for it in rowcast-rabbitmq-ca.",
        _external("rabbitmq", "rabbitmq.example.com:5671"),
        after=("broker-rabbitmq",),
    ),
    Option(
        "external-jetstream",
        "A NATS of one's own, with TLS: its URL in rowcast-jetstream, who vouches for it in rowcast-jetstream-ca.",
        _external("jetstream", "nats.example.com:4222"),
        after=("broker-jetstream",),
    ),
    Option(
        "access",
        "Who may do what, and whose tokens are believed: the ConfigMap rowcast-crud-access, to be replaced by yours.",
        _ACCESS,
    ),
    Option(
        "api-ingress",
        "The API under /v1 for who shows a token, through an Ingress: set its host, and from where it comes.",
        {
            "crud": {
                **_ACCESS["crud"],
                "ingress": {"enabled": True, "host": "api.example.com", "tlsSecret": "rowcast-api-tls"},
            },
            "networkPolicies": {
                "apiFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}]
            },
        },
        after=("access",),
    ),
    Option(
        "login",
        "Nobody gets in to the dashboard without a login: secrets.toml in the secret rowcast-login.",
        {"ui": {"login": {"existingSecret": "rowcast-login"}}},
    ),
    Option(
        "target-k8s",
        "Changes are applied to the Kubernetes API only; without a component for targets, Git gets them, too.",
        {"global": {"targets": {"git": {"enabled": False}}}},
    ),
    Option(
        "target-git",
        "Changes are committed to Git only; without a component for targets, the Kubernetes API gets them, too.",
        {"global": {"targets": {"k8s": {"enabled": False}}}},
    ),
    Option(
        "further-cluster",
        "Another cluster, the target k8s-eu: its kubeconfig is in the secret rowcast-k8s-eu.",
        _FURTHER_CLUSTER,
        of_kafka=True,
        whole=True,
    ),
    Option(
        "external-git",
        "A Git repository of one's own: the URL in sync-git's environment, user and token in the secret rowcast-git.",
        {"global": {"git": {"url": _GIT_URL}}, "git-server": {"enabled": False}},
        after=("target-git",),
    ),
    Option(
        "pull-requests",
        "Changes are proposed: the forge's kind and URL in sync-git's environment, its token in rowcast-forge.",
        {
            "global": {
                "git": {
                    "mode": "pull-request",
                    "forge": {
                        "kind": "gitea",
                        "url": "https://git.example.com/api/v1",
                        "tokenSecret": {"name": "rowcast-forge"},
                    },
                }
            }
        },
        after=("target-git", "external-git"),
    ),
    Option(
        "environments",
        "Single environments at other places: which ones, in ROWCAST_ENVIRONMENTS of sync-k8s and sync-git.",
        {
            "sync": {
                "k8s": {"environments": {"prod": None}},
                "git": {"environments": {"*": None, "prod": {}}},
            }
        },
    ),
    Option(
        "argocd",
        "Argo CD applies what is committed.",
        {"global": {"gitops": {"engine": "argocd"}}},
        after=("target-git", "external-git"),
    ),
    Option(
        "flux",
        "Flux applies what is committed.",
        {"global": {"gitops": {"engine": "flux"}}},
        after=("target-git", "external-git"),
    ),
    Option(
        "external-postgres",
        "A PostgreSQL of one's own, verified by rowcast-postgres-ca; its host is with crud, migrate and who captures.",
        {
            "global": {
                "postgres": {
                    "host": "postgres.example.com",
                    "sslMode": "verify-full",
                    "caSecret": {"name": "rowcast-postgres-ca"},
                }
            },
            "postgres": {"enabled": False},
        },
    ),
    Option(
        "renderers",
        "A job applies the declarations of the ConfigMap rowcast-renderers; the rights for them are yours to add.",
        _RENDERERS,
    ),
    Option(
        "renderers-external-postgres",
        "As the component renderers, with a PostgreSQL of one's own: its host is with this job, too.",
        _RENDERERS,
        after=("external-postgres",),
    ),
    Option(
        "external-kafka",
        "Brokers of one's own, with TLS and SASL, and the secrets rowcast-kafka (login) and rowcast-kafka-ca.",
        {
            "global": {
                "kafka": {
                    "brokers": "kafka.example.com:9093",
                    "tls": {"enabled": True, "caSecret": {"name": "rowcast-kafka-ca"}},
                    "sasl": {"mechanism": "SCRAM-SHA-512", "existingSecret": "rowcast-kafka"},
                }
            },
            "kafka": {"enabled": False},
            "connect": {"replicationFactor": 3},
        },
        of_kafka=True,
    ),
    Option(
        "further-cluster-in-production",
        "As the component further-cluster, for an overlay like `prod`: Git, and the cluster k8s-eu.",
        _FURTHER_CLUSTER,
        after=(
            "network-policies",
            "monitoring",
            "high-availability",
            "target-git",
            "external-git",
            "argocd",
            "external-kafka",
        ),
        of_kafka=True,
        whole=True,
    ),
    Option(
        "external-connect",
        "A Kafka Connect of one's own, with Debezium.",
        {
            "global": {"connect": {"url": "http://connect.example.com:8083", "login": {"existingSecret": ""}}},
            "connect": {"enabled": False},
        },
        of_kafka=True,
    ),
)
