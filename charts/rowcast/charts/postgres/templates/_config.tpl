{{- define "postgres.config" -}}
pg_hba.conf: |
  # A role that replicates could copy the whole server, and read whatever changes in any of its databases.
  host {{ .Values.global.postgres.database | quote }} {{ .Values.global.postgres.replicationRole | quote }} all scram-sha-256
  host all,replication {{ .Values.global.postgres.replicationRole | quote }} all reject
  # Everybody else by a password, from anywhere that gets through to here.
  host all all all scram-sha-256
start.sh: |
  # Makes the cluster, the owner and the database once, aside, so that a half-made one is never taken for the whole.
  set -eu
  umask 077
  volume=$(dirname "$PGDATA")
  {{- include "rowcast.alone" "$volume" | nindent 2 }}
  rm -rf "$volume"/.making.*
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
      making="$volume/.making.$$"
      literal() { sed "s/'/''/g" "/etc/rowcast/passwords/$1"; }
      initdb --pgdata="$making" --username=postgres --auth=scram-sha-256 \
          --pwfile=/etc/rowcast/passwords/{{ .Values.global.postgres.secretKeys.superuserPassword }} \
          --encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8
      # The migration makes the role that replicates, which takes a creator with both attributes.
      postgres --single -D "$making" -c exit_on_error=on postgres <<SQL
  CREATE ROLE "$ROWCAST_OWNER" LOGIN CREATEROLE REPLICATION PASSWORD '$(literal {{ .Values.global.postgres.secretKeys.password }})'
  CREATE DATABASE "$ROWCAST_DATABASE" OWNER "$ROWCAST_OWNER"
  SQL
      mv "$making" "$PGDATA"
  fi
  # A volume that is mounted with fsGroup lets the group in, and PostgreSQL refuses such a folder.
  chmod 0700 "$PGDATA"
  # By SIGINT (fast shutdown) clients are sent away; SIGTERM would wait for them to go by themselves.
  postgres -D "$PGDATA" -c hba_file=/etc/postgres/pg_hba.conf {{- range $name, $value := .Values.settings }} -c {{ $name }}={{ $value | squote }} {{- end }} &
  server=$!
  trap 'kill -INT $server' TERM INT
  while kill -0 $server 2>/dev/null; do wait $server && code=$? || code=$?; done
  exit "$code"
{{- end -}}
