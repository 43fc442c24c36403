"""Signatures, bills of materials and provenance beside what is published, by cosign: made, and verified."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rowcast_local.provision.tools import tool
from rowcast_release.programs import output

BUILD_TYPE = "https://actions.github.io/buildtypes/workflow/v1"
NO_PASSWORD = {"COSIGN_PASSWORD": ""}
WORKFLOW = (
    "--certificate-oidc-issuer=https://token.actions.githubusercontent.com",
    r"--certificate-identity-regexp=/release\.yml@refs/tags/v",
)
"""Who has signed a release, as docs/how-to/release.md has people ask."""


@dataclass(frozen=True)
class Signer:
    """Signs by `key`, in files alone; without one as who the workflow is, which the public log of Sigstore keeps."""

    key: Path | None

    @classmethod
    def with_own_key(cls, folder: Path) -> "Signer":
        """One whose key is made in `folder`, for what is only tried."""
        output(tool("cosign"), "generate-key-pair", "--output-key-prefix", folder / "trial", environment=NO_PASSWORD)
        return cls(folder / "trial.key")

    def sign(self, reference: str) -> None:
        """Signs what a reference by digest names: of an index itself, and nothing in it. Raises ReleaseError."""
        self._make("sign", reference)

    def attest(self, reference: str, kind: str, predicate: Path) -> None:
        """Says `predicate`, of the kind that cosign calls `kind`, of what a reference names. Raises ReleaseError."""
        self._make("attest", "--type", kind, "--predicate", str(predicate), reference)

    def verify(self, reference: str, kinds: Sequence[str] = ()) -> None:
        """Raises ReleaseError unless it is signed by this signer, and has an attestation of each of `kinds`."""
        by = ("--key", str(self.key.with_suffix(".pub")), "--insecure-ignore-tlog") if self.key else WORKFLOW
        output(tool("cosign"), "verify", *by, reference)
        for kind in kinds:
            output(tool("cosign"), "verify-attestation", *by, "--type", kind, reference)

    def _make(self, verb: str, *words: str) -> None:
        by = ("--key", str(self.key), "--tlog-upload=false") if self.key else ()
        output(tool("cosign"), verb, "--yes", *by, *words, environment=NO_PASSWORD if self.key else {})


def provenance(commit: str, tag: str, environment: Mapping[str, str] = os.environ) -> str:
    """The predicate of https://slsa.dev/provenance/v1: from which commit, by which run, with which parameters."""
    server = environment.get("GITHUB_SERVER_URL", "")
    repository = f"{server}/{environment.get('GITHUB_REPOSITORY', '')}" if server else "local"
    run = f"{repository}/actions/runs/{environment.get('GITHUB_RUN_ID', '')}" if server else "local"
    workflow = environment.get("GITHUB_WORKFLOW_REF", "local").partition("@")[0]
    return json.dumps(
        {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "workflow": {"ref": f"refs/tags/{tag}", "repository": repository, "path": workflow}
                },
                "resolvedDependencies": [{"uri": f"git+{repository}@refs/tags/{tag}", "digest": {"gitCommit": commit}}],
            },
            "runDetails": {
                "builder": {"id": f"{server}/actions/runner" if server else "local"},
                "metadata": {"invocationId": run},
            },
        }
    )
