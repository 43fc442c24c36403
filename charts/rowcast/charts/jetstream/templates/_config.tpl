{{/* As the local platform's, but for addresses and the login. */}}
{{- define "jetstream.config" -}}
nats.conf: |
  server_name: rowcast
  port: 4222
  # For probes, and for KEDA where it scales.
  http_port: 8222
  max_payload: {{ .Values.maxPayload }}
  jetstream {
    store_dir: /data
    # What is acknowledged is on the disk.
    sync_interval: always
    max_file_store: {{ .Values.maxFileStore }}
  }
start.sh: |
  set -eu
  {{- include "rowcast.alone" "/data" | nindent 2 }}
  umask 077
  plainly() { printf %s "$1" | sed 's/["\\]/\\&/g'; }
  { cat /etc/jetstream/nats.conf
    printf 'authorization { users: [{ user: "%s", password: "%s" }] }\n' "$(plainly "$BROKER_USERNAME")" "$(plainly "$BROKER_PASSWORD")"
  } >/tmp/nats.conf
  unset BROKER_USERNAME BROKER_PASSWORD
  exec nats-server --config /tmp/nats.conf
{{- end -}}
