"""How every Java part is started: as quickly as a small machine allows, with a bounded heap."""

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


def java_command(
    java: Path, class_path: ClassPath, main_class: str, *, heap_mib: int, logins: Path | None = None
) -> tuple[str, ...]:
    """The command that runs `main_class` with at most `heap_mib` MiB of heap; its own arguments come after.

    `logins` is a configuration of JAAS.
    """
    return (
        str(java),
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
