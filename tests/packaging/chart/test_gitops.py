"""GitOps: Argo CD or Flux applies what sync-git commits, and removes what it removes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from charting.rendering import CHART, of_kind, one, pod, render
from rowcast_local.assembly import Blueprint
from rowcast_local.credentials import Credentials
from rowcast_local.jvm import ClassPath
from rowcast_local.parts.argocd_objects import application
from rowcast_local.parts.argocd_objects import project as projects
from rowcast_local.parts.flux_objects import git_repository, kustomization
from rowcast_local.paths import State
from rowcast_local.ports import DEFAULT_PORTS
from rowcast_local.provision.toolbox import Toolbox

CI = CHART / "ci"


def test_nobody_is_asked_to_apply_by_default() -> None:
    kinds = {manifest["kind"] for manifest in render()}

    assert not kinds & {"Application", "GitRepository", "Kustomization"}


def test_argo_cd_prunes_heals_and_bears_an_empty_repository() -> None:
    spec = one(render(values=CI / "git-argocd-values.yaml"), "Application", "rowcast")["spec"]

    assert spec["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True, "allowEmpty": True}
    assert spec["destination"] == {"server": "https://kubernetes.default.svc", "namespace": "team-a"}
    assert spec["source"]["targetRevision"] == "main"


@pytest.mark.parametrize(
    ("values", "engine", "application", "namespace"),
    [
        ("git-argocd", "argocd", "argocd/rowcast", "argocd"),
        ("git-flux", "flux", "$(GITOPS_NAMESPACE)/rowcast", "rowcast"),
    ],
)
def test_sync_git_asks_the_engine_by_its_own_account(
    values: str, engine: str, application: str, namespace: str
) -> None:
    manifests = render(values=CI / f"{values}-values.yaml")
    sync = pod(manifests, "sync-git")

    assert sync.environment["ROWCAST_GITOPS_ENGINE"] == engine
    assert sync.environment["ROWCAST_GITOPS_APPLICATION"] == application
    assert sync.spec["automountServiceAccountToken"] is True
    role = one(manifests, "Role", "rowcast-sync-git")
    assert role["metadata"]["namespace"] == namespace
    assert one(manifests, "RoleBinding", "rowcast-sync-git")["subjects"][0]["namespace"] == "rowcast"


def test_without_an_engine_sync_git_has_no_token() -> None:
    sync = pod(render(), "sync-git")
    assert sync.spec["automountServiceAccountToken"] is False
    assert "ROWCAST_GITOPS_ENGINE" not in sync.environment


def test_argo_cd_looks_below_the_root_though_the_root_may_be_gone() -> None:
    source = one(render(values=CI / "git-argocd-values.yaml"), "Application", "rowcast")["spec"]["source"]

    assert source["path"] == "."
    assert source["directory"] == {"recurse": True, "include": "environments/*.yaml"}


def test_argo_cd_reads_from_another_namespace_by_the_included_servers_whole_name() -> None:
    source = one(render(values=CI / "git-argocd-values.yaml"), "Application", "rowcast")["spec"]["source"]

    assert source["repoURL"] == "http://rowcast-git-server.rowcast:8080/rowcast.git"


def test_nothing_but_our_resources_gets_through_argo_cd() -> None:
    manifests = render(values=CI / "git-argocd-values.yaml")
    project, application_ = one(manifests, "AppProject", "rowcast"), one(manifests, "Application", "rowcast")

    assert project["metadata"]["namespace"] == application_["metadata"]["namespace"]
    assert application_["spec"]["project"] == "rowcast"
    assert project["spec"]["sourceRepos"] == [application_["spec"]["source"]["repoURL"]]
    assert project["spec"]["destinations"] == [application_["spec"]["destination"]]
    assert project["spec"]["clusterResourceWhitelist"] == []
    assert project["spec"]["namespaceResourceWhitelist"] == [{"group": "rowcast.dev", "kind": "AppConfig"}]
    assert project["spec"].keys() == projects(_local("argocd").argocd)["spec"].keys()


def test_a_project_of_ones_own_is_left_to_its_owner() -> None:
    manifests = render("global.gitops.argocd.project=platform", values=CI / "git-argocd-values.yaml")

    assert one(manifests, "Application", "rowcast")["spec"]["project"] == "platform"
    assert not of_kind(manifests, "AppProject")


def test_nothing_but_our_resources_gets_through_flux() -> None:
    manifests = render(values=CI / "git-flux-values.yaml")
    role, binding = one(manifests, "Role", "rowcast-flux"), one(manifests, "RoleBinding", "rowcast-flux")

    assert one(manifests, "Kustomization", "rowcast")["spec"]["serviceAccountName"] == "rowcast-flux"
    assert role["metadata"]["namespace"] == "team-b"
    assert [(rule["apiGroups"], rule["resources"]) for rule in role["rules"]] == [(["rowcast.dev"], ["appconfigs"])]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "rowcast-flux", "namespace": "rowcast"}]


def test_flux_prunes_and_sees_only_what_is_rowcasts() -> None:
    manifests = render(values=CI / "git-flux-values.yaml")
    source, applied = one(manifests, "GitRepository", "rowcast"), one(manifests, "Kustomization", "rowcast")

    assert source["spec"]["ignore"].split() == ["/*", "!/environments/"]
    assert source["spec"]["ref"] == {"branch": "main"}
    assert source["spec"]["secretRef"] == {"name": "rowcast-git-server"}
    assert applied["spec"]["prune"] is True
    assert applied["spec"]["path"] == "./"
    assert applied["spec"]["targetNamespace"] == "team-b"
    assert applied["spec"]["sourceRef"] == {"kind": "GitRepository", "name": "rowcast"}


def test_flux_gets_the_url_in_the_form_that_it_knows() -> None:
    manifests = render(
        "global.gitops.engine=flux",
        "global.targets.k8s.enabled=false",
        "git-server.enabled=false",
        "global.git.url=git@git.example:platform/configurations.git",
        "global.git.existingSecret=key",
    )

    url = of_kind(manifests, "GitRepository")["rowcast"]["spec"]["url"]
    assert url == "ssh://git@git.example/platform/configurations.git"


def test_api_and_git_may_go_to_two_namespaces() -> None:
    manifests = render(values=CI / "git-flux-values.yaml")

    assert one(manifests, "Role", "rowcast-sync-k8s")["metadata"]["namespace"] == "team-a"
    assert one(manifests, "Kustomization", "rowcast")["spec"]["targetNamespace"] == "team-b"


def test_the_local_platforms_application_is_the_charts() -> None:
    ours = application(_local("argocd").argocd)["spec"]
    spec = one(render(values=CI / "git-argocd-values.yaml"), "Application", "rowcast")["spec"]

    assert ours["syncPolicy"] == spec["syncPolicy"]
    assert ours["source"].keys() == spec["source"].keys()
    assert {name: ours["source"][name] for name in ("path", "directory", "targetRevision")} == {
        name: spec["source"][name] for name in ("path", "directory", "targetRevision")
    }


def test_the_local_platforms_flux_objects_are_the_charts() -> None:
    flux = _local("flux").flux
    manifests = render(values=CI / "git-flux-values.yaml")
    source = one(manifests, "GitRepository", "rowcast")["spec"]
    kustomization_ = one(manifests, "Kustomization", "rowcast")["spec"]

    # How often they look by themselves is what the tests must not depend on.
    own = {"interval", "retryInterval", "url", "secretRef", "targetNamespace", "timeout"}
    assert _but(git_repository(flux)["spec"], own) == _but(source, own)
    assert _but(kustomization(flux)["spec"], own) == _but(kustomization_, own)


def _but(spec: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in names}


def _local(engine: str) -> Blueprint:
    state = State(Path("/nowhere"))
    extras = ("argocd", "argocd-crds", "redis", "source-controller", "kustomize-controller")
    programs = {name: Path("/x") for name in ("postgres", "java", "kubectl", "etcd", "kube_apiserver", "daprd")}
    paths = {name: Path("/x") for name in extras}
    toolbox = Toolbox(**programs, class_path=ClassPath(Path("/x"), ()), choices=(), extras=paths)
    return Blueprint(toolbox, state, DEFAULT_PORTS, Credentials(), gitops=engine)
