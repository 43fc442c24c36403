"""How every Java part is started: as quickly as a small machine allows, with a bounded heap."""

import hashlib
from pathlib import Path

from rowcast_local.jvm import ClassPath

# Loggers that fill the log with what nobody reads: every setting of every client, every request for the status.
QUIET_LOGGERS = (
    "org.apache.kafka.clients.admin.internals.AdminMetadataManager",
    "org.apache.kafka.common.config.AbstractConfig",
    "org.apache.kafka.common.metrics.Metrics",
    "org.apache.kafka.common.utils.AppInfoParser",
    "org.apache.kafka.connect.runtime.isolation",
    "org.apache.kafka.connect.runtime.rest.RestServer",
    "io.debezium.util.Threads",
)


ARCHIVES = {"kafka.tools.StorageTool": "kafka.Kafka"}
"""Main classes that use another one's archive of classes."""


def archive_name(main_class: str) -> str:
    """The file's, of the archive of classes that `main_class` starts with (`rowcast_local.class_archives`)."""
    return f"{ARCHIVES.get(main_class, main_class)}.jsa"


def archives_folder(java: Path, jars: Path) -> Path:
    """Where they are for the class path in the folder `jars`: beside it, for each Java one."""
    return jars.with_name(f"{jars.name}-classes-{hashlib.sha256(str(java).encode()).hexdigest()[:8]}")


def java_command(
    java: Path, class_path: ClassPath, main_class: str, *, heap_mib: int, logins: Path | None = None
) -> tuple[str, ...]:
    """The command that runs `main_class` with at most `heap_mib` MiB of heap; its own arguments come after.

    `logins` is a configuration of JAAS.
    """
    archive = archives_folder(java, class_path.folder) / archive_name(main_class)
    return (
        str(java),
        *((f"-XX:SharedArchiveFile={archive}",) if archive.exists() else ()),
        f"-Xmx{heap_mib}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "-Dorg.slf4j.simpleLogger.showShortLogName=true",
        *(f"-Dorg.slf4j.simpleLogger.log.{logger}=warn" for logger in QUIET_LOGGERS),
        *((f"-Djava.security.auth.login.config={logins}",) if logins else ()),
        "-cp",
        class_path.argument,
        main_class,
    )
