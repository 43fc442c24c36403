{{/* dict heap (MiB), main, logins (optional: a configuration of JAAS): the command that runs a class of Kafka's, as the local platform does. */}}
{{- define "rowcast.java" -}}
java -Xmx{{ .heap }}m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true -Dorg.slf4j.simpleLogger.showDateTime=true -Dorg.slf4j.simpleLogger.dateTimeFormat="yyyy-MM-dd'T'HH:mm:ss.SSSXXX" -Dorg.slf4j.simpleLogger.showShortLogName=true
{{- range list "org.apache.kafka.clients.admin.internals.AdminMetadataManager" "org.apache.kafka.common.config.AbstractConfig" "org.apache.kafka.common.metrics.Metrics" "org.apache.kafka.common.utils.AppInfoParser" "org.apache.kafka.connect.runtime.isolation" "org.apache.kafka.connect.runtime.rest.RestServer" "io.debezium.util.Threads" }} -Dorg.slf4j.simpleLogger.log.{{ . }}=warn
{{- end }}{{ with .logins }} -Djava.security.auth.login.config={{ . }}{{ end }} -cp '/opt/kafka/libs/*' {{ .main }}
{{- end -}}

{{/* A map as Java's properties, one a line. */}}
{{- define "rowcast.properties" -}}
{{- range $key, $value := . }}
{{ $key }}={{ $value }}
{{- end }}
{{- end -}}
