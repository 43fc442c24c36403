"""Which parts are built by Go, and of which versions."""

from collections.abc import Mapping

from rowcast_local.provision.golang import GoFiles, GoPart, drop_component_check

DAPR, KUBERNETES = "1.18.2", "1.36.3"
DAPR_VARIABLES = {"github.com/dapr/dapr/pkg/buildinfo.version": DAPR}


def kubernetes_version(version: str) -> dict[str, str]:
    """Without these a client takes the API server for version 0 and refuses it."""
    major, minor, _ = version.split(".")
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{name}": value for package in packages for name, value in values.items()}


def kubernetes_part(name: str) -> GoPart:
    """One of Kubernetes' programs."""
    package = f"k8s.io/kubernetes/cmd/{name}"
    return GoPart(name, KUBERNETES, package, kubernetes_version(KUBERNETES), module="kubernetes")


def dapr_part(name: str) -> GoPart:
    """One of the programs of Dapr's control plane: their components are none of ours."""
    package = f"github.com/dapr/dapr/cmd/{name}"
    return GoPart(f"dapr-{name}", DAPR, package, DAPR_VARIABLES, module="daprd", tags="stablecomponents")


# What the local platform runs.
PARTS = (
    GoPart("daprd", DAPR, ".", DAPR_VARIABLES, prepare=drop_component_check),
    kubernetes_part("kube-apiserver"),
    GoPart("etcd", "3.6.16", "go.etcd.io/etcd/server/v3"),
)
# What writes, renders and judges the packages of Rowcast.
PACKAGING_TOOLS: tuple[GoPart | GoFiles, ...] = (
    GoPart("helm", "4.3.1", "helm.sh/helm/v4/cmd/helm", {"helm.sh/helm/v4/internal/version.version": "v4.3.1"}),
    # Many still have it; only a test renders by it.
    GoPart("helm3", "3.22.0", "helm.sh/helm/v3/cmd/helm", {"helm.sh/helm/v3/internal/version.version": "v3.22.0"}),
    GoPart("kube-score", "1.20.0", "github.com/zegl/kube-score/cmd/kube-score", {"main.version": "1.20.0"}),
    GoPart("kustomize", "5.8.1", "sigs.k8s.io/kustomize/kustomize/v5"),
    GoPart("kubeconform", "0.7.0", "github.com/yannh/kubeconform/cmd/kubeconform", {"main.version": "v0.7.0"}),
    GoPart("actionlint", "1.7.12", "github.com/rhysd/actionlint/cmd/actionlint"),
    # It puts images into a registry, and is one for the release's dry run.
    GoPart("crane", "0.20.6", "github.com/google/go-containerregistry/cmd/crane"),
    GoPart("helm-docs", "1.14.2", "github.com/norwoodj/helm-docs/cmd/helm-docs", {"main.version": "1.14.2"}),
    # It judges alerts; the many services that Prometheus can discover, and their clients, are not asked for.
    GoPart(
        "promtool",
        "3.13.0",
        "github.com/prometheus/prometheus/cmd/promtool",
        {"github.com/prometheus/common/version.Version": "3.13.0"},
        tags="remove_all_sd",
    ),
)
# Dapr's own command line, which starts the applications by `dapr.yaml`: `python -m rowcast_local tool dapr`.
DAPR_CLI = GoPart("dapr", "1.16.5", "github.com/dapr/cli", {"main.version": "1.16.5"})
# What a release is signed and described by: built for it alone, as each takes many minutes.
RELEASE_TOOLS = (
    GoPart("cosign", "2.6.5", ".", {"sigs.k8s.io/release-utils/version.gitVersion": "v2.6.5"}),
    GoPart("syft", "1.57.1", "github.com/anchore/syft/cmd/syft", {"main.version": "1.57.1"}),
)
# What `./task chaos` cuts and slows links with.
FAULT_TOOLS: tuple[GoPart | GoFiles, ...] = (
    GoPart("toxiproxy", "2.5.0", "github.com/Shopify/toxiproxy/v2/cmd/server"),
)
# What makes commits real, by the name that `./task up GITOPS=...` takes.
ARGOCD = "3.2.0"
FLUX_SOURCE, FLUX_KUSTOMIZE = "1.7.0", "1.7.3"
ARGOCD_CRDS = GoFiles("argocd-crds", ARGOCD, "github.com/argoproj/argo-cd/v3", "manifests/crds", module="crds")
FLUX_CRDS = (
    GoFiles("flux-source-crds", FLUX_SOURCE, "github.com/fluxcd/source-controller", "config/crd/bases", module="crds"),
    GoFiles(
        "flux-kustomize-crds",
        FLUX_KUSTOMIZE,
        "github.com/fluxcd/kustomize-controller",
        "config/crd/bases",
        module="crds",
    ),
)
GITOPS_PARTS: Mapping[str, tuple[GoPart | GoFiles, ...]] = {
    "argocd": (
        # One program, whose name says which of its parts it is.
        GoPart(
            "argocd",
            ARGOCD,
            "github.com/argoproj/argo-cd/v3/cmd",
            {"github.com/argoproj/argo-cd/v3/common.version": ARGOCD},
        ),
        ARGOCD_CRDS,
    ),
    "flux": (
        GoPart("source-controller", FLUX_SOURCE, "github.com/fluxcd/source-controller"),
        GoPart("kustomize-controller", FLUX_KUSTOMIZE, "github.com/fluxcd/kustomize-controller"),
        *FLUX_CRDS,
    ),
}
GITEA = "1.26.0"
# A real forge for the tests of pull requests. Without cgo it has no SQLite: it keeps its data in PostgreSQL.
FORGE_PARTS: tuple[GoPart | GoFiles, ...] = (
    GoPart("gitea", GITEA, "code.gitea.io/gitea", {"main.Version": GITEA}),
    *(
        GoFiles(f"gitea-{folder}", GITEA, "code.gitea.io/gitea", folder, module="gitea")
        for folder in ("templates", "options")
    ),
)
# What runs in every cluster for tests.
CLUSTER_PARTS: tuple[GoPart | GoFiles, ...] = (
    *map(dapr_part, ("operator", "injector", "sentry", "placement")),
    GoFiles("dapr-chart", DAPR, "github.com/dapr/dapr", "charts/dapr", module="daprd"),
    GoPart("probe", "1", "."),
)
# What a cluster has besides when it is made of this machine's own parts.
NODE_PARTS: tuple[GoPart | GoFiles, ...] = (
    *map(kubernetes_part, ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")),
    GoPart("coredns", "1.14.0", "github.com/coredns/coredns"),
    GoPart("pause", "1", "."),
    # It enforces network policies, and does nothing else of what it could.
    GoPart("kube-router", "2.1.0", "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"),
)
