"""How every Java part is started: as quickly as a small machine allows, with a bounded heap."""

import hashlib
import re
from contextlib import suppress
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
JAVA_WITH_CACHES = 25


def java_command(java: Path, class_path: ClassPath, main_class: str, *, heap_mib: int) -> tuple[str, ...]:
    """The command that runs `main_class` with at most `heap_mib` MiB of heap; its own arguments come after."""
    return (
        str(java),
        f"-Xmx{heap_mib}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        *_cache_options(java, class_path, main_class),
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "-Dorg.slf4j.simpleLogger.showShortLogName=true",
        *(f"-Dorg.slf4j.simpleLogger.log.{logger}=warn" for logger in QUIET_LOGGERS),
        "-cp",
        class_path.argument,
        main_class,
    )


def startup_cache_folder(java: Path, class_path: ClassPath) -> Path | None:
    """Where the caches for this Java and these archives belong; None if this Java knows no such thing."""
    release = java.resolve().parent.parent / "release"
    with suppress(OSError):
        text = release.read_text()
        version = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
        if version and int(version[1]) >= JAVA_WITH_CACHES:
            stamp = hashlib.sha256(f"{java.resolve()}\n{text}".encode()).hexdigest()[:8]
            return class_path.folder.with_name(f"{class_path.folder.name}-startup-{stamp}")
    return None


def _cache_options(java: Path, class_path: ClassPath, main_class: str) -> tuple[str, ...]:
    folder = startup_cache_folder(java, class_path)
    file = folder / f"{main_class}.aot" if folder else None
    # A cache that doesn't fit is passed over by Java; that it says so on the console helps nobody.
    return (f"-XX:AOTCache={file}", "-Xlog:disable", "-Xlog:all=error:stderr") if file and file.exists() else ()
