"""Reads Dockerfiles, as far as ours go: instructions, the stage that each is in, and what stages are made from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continued lines joined; `stage` is empty before the first FROM."""

    stage: str
    name: str
    text: str


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile whose stages all have names."""

    path: Path

    @cached_property
    def text(self) -> str:
        """As it is written."""
        return self.path.read_text()

    @cached_property
    def instructions(self) -> tuple[Instruction, ...]:
        """In their order."""
        return tuple(_read(self.text))

    def of(self, name: str) -> list[Instruction]:
        """Those called `name`."""
        return [each for each in self.instructions if each.name == name]

    @property
    def arguments(self) -> dict[str, str]:
        """The build arguments for base images, with their defaults."""
        pairs = (each.text.partition("=") for each in self.of("ARG") if not each.stage)
        return {name: default for name, _, default in pairs}

    @cached_property
    def parents(self) -> dict[str, str]:
        """What each stage is made from, as it is written."""
        return {each.stage: each.text.partition(" AS ")[0] for each in self.of("FROM")}

    def lineage(self, stage: str) -> list[str]:
        """The stage and those that it is made from, the farthest first."""
        names = [stage]
        while (parent := self.parents[names[-1]]) in self.parents:
            names.append(parent)
        return names[::-1]

    def shipped(self, stage: str, name: str) -> list[str]:
        """The texts of the instructions called `name` that `stage` has, those that it inherits first."""
        return [each.text for part in self.lineage(stage) for each in self.of(name) if each.stage == part]

    @property
    def copied(self) -> list[str]:
        """The paths of the context that some stage copies."""
        lines = [[word for word in each.text.split() if not word.startswith("--chmod")] for each in self.of("COPY")]
        return [path for words in lines if not words[0].startswith("--from") for path in words[:-1]]


def _read(text: str) -> Iterator[Instruction]:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    stage = ""
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            stage = rest.rpartition(" AS ")[2]
        if name:
            yield Instruction(stage, name, rest)
