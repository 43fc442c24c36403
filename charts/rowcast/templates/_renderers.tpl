{{/* Declarations: the files that the job applies, and what sync-k8s has to be allowed for them. */}}

{{/* Whether there are any. Empty for no. */}}
{{- define "renderers.wanted" -}}
{{- if or .Values.renderers .Values.renderersFrom.configMap -}}true{{- end -}}
{{- end -}}

{{/* The declarations by file, as they are given; what was given as values loses comments and the order of members. */}}
{{- define "renderers.files" -}}
{{- range $name, $declaration := .Values.renderers }}
{{- $_ := include "renderers.kinds" (dict "name" $name "declaration" $declaration) }}
{{ $name }}.yaml: {{ ternary $declaration (toYaml $declaration) (kindIs "string" $declaration) | toJson }}
{{- end }}
{{- end -}}

{{/* A new text is a new ConfigMap, so that the job that names it is a new one, too. */}}
{{- define "renderers.configMap" -}}
{{- if .Values.renderersFrom.configMap -}}
{{- .Values.renderersFrom.configMap -}}
{{- else -}}
{{- printf "%s-%s" (include "rowcast.name" (dict "root" . "component" "renderers")) (include "renderers.files" . | sha256sum | trunc 8) -}}
{{- end -}}
{{- end -}}

{{/* dict name, declaration: as YAML, the kinds that it may make. Fails for what can't be a declaration. */}}
{{- define "renderers.kinds" -}}
{{- include "rowcast.check" (dict "ok" (regexMatch "^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$" .name) "text" (printf "renderers.%s: a declaration's name is of lower-case letters, digits and hyphens, begins with a letter, ends with one or a digit, and has 40 characters at most." .name)) -}}
{{- $read := ternary (.declaration | toString | fromYaml) .declaration (kindIs "string" .declaration) -}}
{{- include "rowcast.check" (dict "ok" (not (hasKey $read "Error")) "text" (printf "renderers.%s is no YAML: %v" .name (get $read "Error"))) -}}
{{- include "rowcast.check" (dict "ok" (eq (toString (get $read "kind")) "Renderer") "text" (printf "renderers.%s is no declaration: its kind is %q and not Renderer." .name (get $read "kind" | toString))) -}}
{{- $called := dig "metadata" "name" "" $read -}}
{{- include "rowcast.check" (dict "ok" (eq (toString $called) .name) "text" (printf "renderers.%s has metadata.name %q: call both the same." .name (toString $called))) -}}
{{- range $alias, $related := dig "spec" "source" "with" dict $read -}}
{{- include "rowcast.check" (dict "ok" (or (kindIs "string" $.declaration) (not (kindIs "map" $related)) (not (hasKey $related "true"))) "text" (printf "renderers.%s: spec.source.with.%s has a member `true`, which is what YAML makes of `on`: write \"on\" in quotes, or give the whole declaration as a text." $.name $alias)) -}}
{{- end -}}
{{- $kinds := dig "spec" "allow" "kinds" list $read -}}
{{- include "rowcast.check" (dict "ok" (and (kindIs "slice" $kinds) (gt (len $kinds) 0)) "text" (printf "renderers.%s: spec.allow.kinds must be a list of the kinds that it may make." .name)) -}}
{{- toYaml $kinds -}}
{{- end -}}

{{/* The rules of sync-k8s's ClusterRole: those that `rowcast renderer rights` prints for the same declarations. */}}
{{- define "renderers.rules" -}}
{{- $known := .Files.Get "files/kinds.yaml" | fromYaml -}}
{{- $rbac := "rbac.authorization.k8s.io" -}}
{{- $allowed := list -}}
{{- $groups := dict -}}
{{- range $name, $declaration := .Values.renderers -}}
{{- range include "renderers.kinds" (dict "name" $name "declaration" $declaration) | fromYamlArray -}}
{{- $kind := last (splitList "/" .) -}}
{{- $group := regexReplaceAll "/?[^/]*$" . "" -}}
{{- $plural := get $.Values.renderersRights.plurals . | default (get (get $known $group | default dict) $kind) -}}
{{- include "rowcast.check" (dict "ok" (ne $plural "") "text" (printf "renderers.%s: spec.allow.kinds has %s, and this chart doesn't know what RBAC calls it: say so in renderersRights.plurals, as {%s: NAME}. `kubectl api-resources` shows the name." $name . .)) -}}
{{- $allowed = append $allowed . -}}
{{- $_ := set $groups $group (append (get $groups $group | default list) $plural) -}}
{{- end -}}
{{- end -}}
{{- $rules := list -}}
{{- range $group := keys $groups | sortAlpha -}}
{{- $rules = append $rules (dict "apiGroups" (list $group) "resources" (get $groups $group | uniq | sortAlpha) "verbs" (list "get" "list" "watch" "create" "patch" "delete")) -}}
{{- end -}}
{{- /* Who makes a binding needs `bind` on its role, who makes a role `escalate`. */ -}}
{{- if or (has (printf "%s/RoleBinding" $rbac) $allowed) (has (printf "%s/ClusterRoleBinding" $rbac) $allowed) -}}
{{- $rules = append $rules (dict "apiGroups" (list $rbac) "resources" (list "clusterroles" "roles") "verbs" (list "bind")) -}}
{{- end -}}
{{- $roles := list -}}
{{- if has (printf "%s/ClusterRole" $rbac) $allowed -}}{{- $roles = append $roles "clusterroles" -}}{{- end -}}
{{- if has (printf "%s/Role" $rbac) $allowed -}}{{- $roles = append $roles "roles" -}}{{- end -}}
{{- if $roles -}}
{{- $rules = append $rules (dict "apiGroups" (list $rbac) "resources" $roles "verbs" (list "escalate")) -}}
{{- end -}}
{{- concat $rules .Values.renderersRights.rules | toYaml -}}
{{- end -}}

{{- define "renderers.parts" -}}
{{- $login := dict "root" . "user" .Values.global.postgres.user "key" .Values.global.postgres.secretKeys.password -}}
command: [rowcast, renderer, apply, --wait, "--timeout={{ .Values.renderersJob.timeoutSeconds }}", /etc/rowcast/renderers]
env:
  {{- include "rowcast.postgres.env" $login | nindent 2 }}
  # Whom a declaration lets edit its table.
  - {name: ROWCAST_SERVING_ROLE, value: {{ include "rowcast.postgres.servingRole" . }}}
  # Who has applied a revision, in its history.
  - {name: LOGNAME, value: {{ include "rowcast.name" (dict "root" . "component" "renderers") }}}
# Its pods stay when it has failed, with the reason in their logs.
restartPolicy: Never
volumes:
  {{- include "rowcast.postgres.volumes" $login | nindent 2 }}
  - name: renderers
    configMap: {name: {{ include "renderers.configMap" . }}}
mounts:
  {{- include "rowcast.postgres.mounts" . | nindent 2 }}
  - {name: renderers, mountPath: /etc/rowcast/renderers, readOnly: true}
{{- end -}}
