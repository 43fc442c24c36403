{{/* As the local platform's, but for addresses and the login. */}}
{{- define "redis.settings" -}}
bind: "* -::*"
port: "6379"
dir: /data
# What is acknowledged is on the disk, and nothing is thrown away to make room.
appendonly: "yes"
appendfsync: always
save: '""'
maxmemory: {{ .Values.maxMemoryMib }}mb
maxmemory-policy: noeviction
aclfile: /tmp/users.acl
{{- end -}}

{{- define "redis.config" -}}
redis.conf: |
  {{- range $name, $value := merge (deepCopy .Values.settings) (include "redis.settings" . | fromYaml) }}
  {{ $name }} {{ $value }}
  {{- end }}
start.sh: |
  set -eu
  {{- include "rowcast.alone" "/data" | nindent 2 }}
  umask 077
  hash=$(printf %s "$REDISCLI_AUTH" | sha256sum | cut -d ' ' -f 1)
  # Whoever has no login is nobody; who has one sees the streams of this platform.
  printf '%s\n' 'user default off' "user $REDIS_USERNAME on #$hash ~{{ .Values.global.kafka.topicPrefix }}.* +@all -@admin -@dangerous +info +config|get +client|setname" >/tmp/users.acl
  exec redis-server /etc/redis/redis.conf
{{- end -}}
