{{- define "git-server.config" -}}
healthz: |
  ok
lighttpd.conf: |
  server.modules = ("mod_access", "mod_auth", "mod_authn_file", "mod_alias", "mod_setenv", "mod_cgi")
  server.port = 8080
  server.document-root = "/etc/git-server"
  server.upload-dirs = ("/tmp")
  server.errorlog = "/dev/stderr"
  # Requests are gathered first: git sends a large push in chunks, and CGI must be told the length.
  server.stream-request-body = 0
  server.stream-response-body = 1
  auth.backend = "plain"
  auth.backend.plain.userfile = "/tmp/users"
  # git's own server: what comes after this path is looked up below GIT_PROJECT_ROOT.
  $HTTP["url"] =~ "^/rowcast\.git(/|$)" {
      alias.url = ("/rowcast.git" => "/usr/lib/git-core/git-http-backend")
      cgi.assign = ("" => "")
      setenv.add-environment = ("GIT_PROJECT_ROOT" => "/srv/git/rowcast.git", "GIT_HTTP_EXPORT_ALL" => "1")
      auth.require = ("" => ("method" => "basic", "realm" => "rowcast", "require" => "valid-user"))
  } else $HTTP["url"] != "/healthz" {
      url.access-deny = ("")
  }
start.sh: |
  set -eu
  umask 077
  repository=/srv/git/rowcast.git
  {{- include "rowcast.alone" "/srv/git" | nindent 2 }}
  # Made aside, so that a half-made one is never taken for the whole.
  if [ ! -e "$repository" ]; then
      rm -rf "$repository.making"
      git init --quiet --bare --initial-branch={{ .Values.global.git.branch }} "$repository.making"
      git --git-dir="$repository.making" config http.receivepack true
      mv "$repository.making" "$repository"
  fi
  # What git was killed at has left its locks, and nobody else is here who could hold one.
  find "$repository" -name '*.lock' -type f -delete
  printf '%s:%s\n' "$(cat /etc/rowcast/git/username)" "$(cat /etc/rowcast/git/password)" >/tmp/users
  exec lighttpd -D -f /etc/git-server/lighttpd.conf
{{- end -}}
