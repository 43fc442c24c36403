"""Which images there are, and what each is made from."""

from collections.abc import Sequence
from dataclasses import dataclass

from rowcast_images.errors import ImagesError

# How a thing is made is part of what it is.
ROOTFS = "tools/rowcast_images/rootfs.py"
BUILDING = "tools/rowcast_images/builders.py"


@dataclass(frozen=True)
class Image:
    """One image: `target` of `dockerfile`.

    `inputs` are the paths in the checkout that its Dockerfile copies from, `bases` the base images that it names by
    build arguments, and `after` an image whose layers it shares, so that they are made once.
    """

    name: str
    dockerfile: str
    target: str
    inputs: tuple[str, ...]
    bases: tuple[str, ...]
    after: str | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Everything in the checkout that decides what is in it."""
        return (self.dockerfile, ".dockerignore", BUILDING, *self.inputs)


@dataclass(frozen=True)
class Base:
    """A base image: the build argument that names it, and how it is made here from other ones.

    `dockerfile` is a path in the checkout; its context is the folder of the root file system when `rootfs` is set.
    """

    name: str
    argument: str
    dockerfile: str
    bases: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    rootfs: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """Everything in the checkout that decides what is in it."""
        return (self.dockerfile, *((ROOTFS,) if self.rootfs else ()), *self.inputs)


_KAFKA = ("tools/jvm", "tools/rowcast_local/__init__.py", "tools/rowcast_local/jvm.py", "requirements/parts/jgo.txt")
_SERVICES = ("requirements/build.txt", "requirements/services.txt")
_OWN = ("pyproject.toml", "README.md", "LICENSE", "services/rowcast")
_CONNECT = "images/kafka-connect/Dockerfile"

IMAGES: tuple[Image, ...] = (
    Image("services", "services/Dockerfile", "crud", (*_SERVICES, *_OWN), ("python",)),
    Image("ui", "ui-streamlit/Dockerfile", "ui", ("requirements/ui.txt", "ui-streamlit"), ("python",)),
    Image("connect", _CONNECT, "connect", _KAFKA, ("python", "java", "debian")),
    Image("kafka", _CONNECT, "kafka", _KAFKA, ("python", "java", "debian"), after="connect"),
    Image(
        "postgres",
        "images/postgres/Dockerfile",
        "postgres",
        ("requirements/parts/postgres.txt",),
        ("python", "debian"),
    ),
    Image("git-server", "images/git-server/Dockerfile", "git-server", ("images/git-server",), ("debian",)),
    Image(
        "capture",
        "images/capture/Dockerfile",
        "capture",
        (*_KAFKA, *_SERVICES, *_OWN),
        ("python", "java"),
        after="services",
    ),
    *(Image(name, f"images/{name}/Dockerfile", name, (), ("debian",)) for name in ("redis", "rabbitmq", "nats")),
)

_BASES = "tools/rowcast_images/bases"
BASES: tuple[Base, ...] = (
    Base("debian", "BASE_IMAGE", f"{_BASES}/debian.Dockerfile", rootfs=True),
    Base("python", "PYTHON_IMAGE", f"{_BASES}/python.Dockerfile", bases=("debian",)),
    Base("java", "JAVA_IMAGE", "images/java/Dockerfile", bases=("python",), inputs=("requirements/parts/java.txt",)),
)


def images(names: Sequence[str]) -> tuple[Image, ...]:
    """The images of these names, in the order in which they are made; all for none. Raises ImagesError."""
    known = {image.name for image in IMAGES}
    if unknown := sorted(set(names) - known):
        raise ImagesError(f"no image {', '.join(unknown)}; there is {', '.join(sorted(known))}")
    return tuple(image for image in IMAGES if not names or image.name in names)


def bases(of: Sequence[Image]) -> tuple[Base, ...]:
    """The base images that these need, each after those that it is made from."""
    wanted = {name for image in of for name in image.bases}
    for base in reversed(BASES):
        if base.name in wanted:
            wanted |= set(base.bases)
    return tuple(base for base in BASES if base.name in wanted)
