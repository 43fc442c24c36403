"""The rules that every Dockerfile keeps; none of these tests builds anything."""

import re
from pathlib import Path

import pytest
import yaml

from rowcast_images.catalogue import BASES, IMAGES, Base, Image
from rowcast_images.dockerfile import Dockerfile
from rowcast_images.references import REGISTRY, Naming
from rowcast_images.rootfs import SUITE
from rowcast_local.paths import CHECKOUT

PUBLIC = "docker.io/library/"
TARGETS = {"services/Dockerfile": ("crud", "sync", "jobs")}
OCI = "org.opencontainers.image."
LABELS = ("title", "description", "source", "version", "revision", "licenses")
URL = re.compile(r"\b[a-z]+://[^\s\"']+")


def of(item: Image | Base) -> Dockerfile:
    return Dockerfile(CHECKOUT / item.dockerfile)


def final_stages() -> list[tuple[Dockerfile, str]]:
    return [(of(image), target) for image in IMAGES for target in TARGETS.get(image.dockerfile, (image.target,))]


each_image = pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
each_made = pytest.mark.parametrize("item", [*IMAGES, *BASES], ids=lambda item: item.name)
each_stage = pytest.mark.parametrize(("file", "stage"), final_stages(), ids=[stage for _, stage in final_stages()])


@each_stage
def test_an_image_runs_as_the_user_10001_who_is_in_its_passwd(file: Dockerfile, stage: str) -> None:
    assert file.shipped(stage, "USER") == ["10001:10001"]
    assert any("rowcast:x:10001:10001:" in text and "/etc/passwd" in text for text in file.shipped(stage, "RUN"))


@each_stage
def test_an_image_says_what_it_is_and_what_it_was_made_of(file: Dockerfile, stage: str) -> None:
    labels = " ".join(file.shipped(stage, "LABEL"))

    assert [label for label in LABELS if f'{OCI}{label}="' not in labels] == []


@each_stage
def test_an_image_can_be_started_without_a_command(file: Dockerfile, stage: str) -> None:
    assert file.shipped(stage, "CMD")


@each_image
def test_base_images_are_build_arguments_with_public_defaults(image: Image) -> None:
    file = of(image)
    outside = [parent for parent in file.parents.values() if parent not in file.parents]

    assert {parent.strip("${}") for parent in outside} == set(file.arguments)
    assert all(default.startswith(PUBLIC) and ":" in default for default in file.arguments.values())
    assert not any(default.endswith(":latest") for default in file.arguments.values())


@each_image
def test_the_catalogue_knows_each_base_image_that_a_dockerfile_names(image: Image) -> None:
    known = {base.argument for base in BASES if base.name in image.bases}

    assert set(of(image).arguments) == known


def test_all_images_name_the_same_base_images() -> None:
    named = {(name, default) for image in IMAGES for name, default in of(image).arguments.items()}

    assert len(named) == len({name for name, _ in named})


def test_base_images_that_are_made_here_are_of_the_suite_of_the_public_ones() -> None:
    defaults = {name: default for image in IMAGES for name, default in of(image).arguments.items()}

    assert SUITE in defaults["BASE_IMAGE"]
    assert SUITE in defaults["PYTHON_IMAGE"]


@each_made
def test_what_is_copied_is_in_the_checkout_and_among_the_inputs(item: Image | Base) -> None:
    for path in of(item).copied:
        assert (CHECKOUT / path).exists(), f"{item.dockerfile} copies {path}"
        assert any(Path(path).is_relative_to(known) for known in item.inputs), f"a change of {path} goes unnoticed"


@each_made
def test_no_dockerfile_names_an_address_but_that_of_its_source(item: Image | Base) -> None:
    lines = (line for line in of(item).text.splitlines() if f"{OCI}source" not in line)
    assert [address for line in lines for address in URL.findall(line)] == []


@each_made
def test_what_pip_installs_is_locked_and_what_apt_installs_is_thin(item: Image | Base) -> None:
    for run in of(item).of("RUN"):
        for command in re.split(r"&&|;", run.text):
            if "pip" in command and " install " in command and "dist/*.whl" not in command and "apt-get" not in command:
                assert "--require-hashes" in command
            if "apt-get install" in command:
                assert "--no-install-recommends" in command
                assert "rm -rf /var/lib/apt/lists/*" in run.text


@each_made
def test_secrets_are_mounted_and_never_copied_or_passed_as_arguments(item: Image | Base) -> None:
    file = of(item)
    mentioning = [each for each in file.instructions if "/run/secrets" in each.text]

    assert all(each.name == "RUN" and "--mount=type=secret,id=machine" in each.text for each in mentioning)


def test_the_jars_are_those_of_the_lock_of_local_runs() -> None:
    assert "tools/jvm" in Dockerfile(CHECKOUT / "images/kafka-connect/Dockerfile").copied


def test_the_context_has_no_history_no_state_and_no_secrets() -> None:
    lines = [line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert lines[0] == "*", "whatever isn't named must stay out"
    assert not {path for path in allowed if Path(path).parts[0] in {".git", ".venv", ".rowcast", ".test-logs", "dist"}}


@each_image
def test_the_context_has_what_is_copied(image: Image) -> None:
    lines = (CHECKOUT / ".dockerignore").read_text().splitlines()
    allowed = [line.removeprefix("!") for line in lines if line.startswith("!")]

    assert [path for path in of(image).copied if not any(Path(path).is_relative_to(each) for each in allowed)] == []


def test_images_are_called_what_the_chart_asks_for() -> None:
    chart = CHECKOUT / "charts" / "rowcast"
    named = yaml.safe_load((chart / "values.yaml").read_text())["global"]["image"]

    assert named["registry"] == REGISTRY
    assert f"{named['registry']}/{named['services']}:1" == Naming(REGISTRY, "1").reference("services")
