{{/* As the local platform's, but for addresses and the login. */}}
{{- define "rabbitmq.settings" -}}
listeners.tcp.default: "5672"
log.console: "true"
log.file: "false"
log.console.level: info
# What quorum queues write goes to memory, too, until so much has been written: 512 MB by default.
raft.wal_max_size_bytes: "33554432"
load_definitions: /tmp/definitions.json
vm_memory_high_watermark.absolute: {{ .Values.memoryMib }}MiB
disk_free_limit.absolute: 256MB
{{- end -}}

{{- define "rabbitmq.config" -}}
{{- $ours := printf "^%s[-.]" (regexQuoteMeta .Values.global.kafka.topicPrefix) -}}
rabbitmq.conf: |
  {{- range $name, $value := merge (deepCopy .Values.settings) (include "rabbitmq.settings" . | fromYaml) }}
  {{ $name }} = {{ $value }}
  {{- end }}
enabled_plugins: |
  [].
start.sh: |
  set -eu
  {{- include "rowcast.alone" "/data" | nindent 2 }}
  umask 077
  plainly() { printf %s "$1" | sed 's/["\\]/\\&/g'; }
  # Read at each start: so a new password is the one that holds. RabbitMQ 4 throws a message away that was delivered 20
  # times, unless a policy says otherwise: a billion is as good as never, and versions before know no -1.
  cat >/tmp/definitions.json <<END
  {"vhosts": [{"name": "/"}],
   "users": [{"name": "$(plainly "$BROKER_USERNAME")", "password": "$(plainly "$BROKER_PASSWORD")", "tags": ""}],
   "permissions": [{"user": "$(plainly "$BROKER_USERNAME")", "vhost": "/",
                    "configure": {{ toJson $ours }}, "write": {{ toJson $ours }}, "read": {{ toJson $ours }}}],
   "policies": [{"name": "rowcast", "vhost": "/", "pattern": {{ toJson $ours }}, "apply-to": "queues", "priority": 0,
                 "definition": {"delivery-limit": 1000000000}}]}
  END
  unset BROKER_USERNAME BROKER_PASSWORD
  exec rabbitmq-server
{{- end -}}
