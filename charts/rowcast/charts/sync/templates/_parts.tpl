{{/* dict root, target, values (the instance's own) */}}
{{- define "sync.parts" -}}
{{- $root := .root -}}
{{- $sync := $root.Values -}}
{{- $git := $root.Values.global.git -}}
{{- $component := printf "sync-%s" .target -}}
command: [rowcast, sync, serve]
serviceAccount: {{ include "rowcast.name" (dict "root" $root "component" $component) }}
annotations:
  {{- include "rowcast.dapr.annotations" (dict "root" $root "id" $component "port" 8080 "configuration" "rowcast-closed" "drain" (include "rowcast.drainSeconds" $root)) | nindent 2 }}
env:
  {{- include "rowcast.service.env" $root | nindent 2 }}
  - {name: ROWCAST_TARGET, value: {{ .target }}}
  - {name: ROWCAST_SUBSCRIPTION, value: {{ $sync.subscription.mode }}}
  - {name: ROWCAST_BATCH_SIZE, value: {{ $sync.subscription.batchSize | quote }}}
  - {name: ROWCAST_BATCH_WAIT_MS, value: {{ $sync.subscription.batchWaitMs | quote }}}
  - {name: ROWCAST_RECONCILE_SECONDS, value: {{ $sync.reconcile.seconds | quote }}}
  - {name: ROWCAST_RECONCILE_PRUNE_LIMIT, value: {{ $sync.reconcile.pruneLimit | quote }}}
  - {name: ROWCAST_DRIFT, value: {{ $sync.reconcile.drift }}}
  {{- with (get $sync .target).environments }}
  - {name: ROWCAST_ENVIRONMENTS, value: {{ toJson . | quote }}}
  {{- end }}
  {{- if eq .target "k8s" }}
  - name: ROWCAST_NAMESPACE
    {{- with $root.Values.global.targets.k8s.namespace }}
    value: {{ . }}
    {{- else }}
    valueFrom:
      fieldRef: {fieldPath: metadata.namespace}
    {{- end }}
  - {name: ROWCAST_IN_FLIGHT, value: {{ $sync.k8s.inFlight | quote }}}
  {{- if $sync.k8s.kubeconfigSecret.name }}
  - {name: KUBECONFIG, value: /etc/rowcast/kubeconfig/{{ $sync.k8s.kubeconfigSecret.key }}}
  {{- end }}
  {{- else }}
  - {name: ROWCAST_GIT_URL, value: {{ include "rowcast.git.url" $root | quote }}}
  - {name: ROWCAST_GIT_BRANCH, value: {{ $git.branch | quote }}}
  - {name: ROWCAST_GIT_ROOT, value: {{ $git.root | quote }}}
  - {name: ROWCAST_GIT_CACHE, value: /var/cache/rowcast/mirror}
  {{- if eq $git.mode "pull-request" }}
  - {name: ROWCAST_GIT_MODE, value: pull-request}
  - {name: ROWCAST_GIT_FORGE, value: {{ $git.forge.kind }}}
  - {name: ROWCAST_GIT_FORGE_URL, value: {{ $git.forge.url | quote }}}
  - {name: ROWCAST_GIT_FORGE_TOKEN_FILE, value: /etc/rowcast/forge/{{ $git.forge.tokenSecret.key }}}
  {{- with $git.forge.proposalBranch }}
  - {name: ROWCAST_GIT_PROPOSAL_BRANCH, value: {{ . | quote }}}
  {{- end }}
  - {name: ROWCAST_GIT_POLL_SECONDS, value: {{ $git.forge.pollSeconds | quote }}}
  {{- if $git.caSecret.name }}
  - {name: SSL_CERT_FILE, value: /etc/rowcast/git-ca/{{ $git.caSecret.key }}}
  {{- end }}
  {{- end }}
  - {name: HOME, value: /tmp}
  {{- if eq (include "sync.git.ssh" $root) "true" }}
  - name: GIT_SSH_COMMAND
    value: >-
      ssh -F /dev/null -i /etc/rowcast/git/ssh-privatekey -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10
      -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/etc/rowcast/git/known_hosts
  {{- else }}
  - {name: GIT_CONFIG_GLOBAL, value: /etc/rowcast/gitconfig/gitconfig}
  {{- if $git.caSecret.name }}
  - {name: GIT_SSL_CAINFO, value: /etc/rowcast/git-ca/{{ $git.caSecret.key }}}
  {{- end }}
  {{- end }}
  {{- end }}
{{- if eq .target "k8s" }}
mountToken: {{ not $sync.k8s.kubeconfigSecret.name }}
{{- with $sync.k8s.kubeconfigSecret.name }}
volumes:
  - name: kubeconfig
    secret: {secretName: {{ . }}, defaultMode: 0440}
mounts:
  - {name: kubeconfig, mountPath: /etc/rowcast/kubeconfig, readOnly: true}
{{- end }}
{{- else }}
# One writer to a branch: the old pod ends before the new one begins.
strategy: {type: Recreate}
volumes:
  - name: cache
    emptyDir: {sizeLimit: {{ $sync.git.cacheSize }}}
  - name: git
    secret: {secretName: {{ include "rowcast.git.secretName" $root }}, defaultMode: 0440}
  {{- if ne (include "sync.git.ssh" $root) "true" }}
  - name: gitconfig
    configMap: {name: {{ include "rowcast.name" (dict "root" $root "component" "sync-git") }}}
  {{- end }}
  {{- with $git.caSecret.name }}
  - name: git-ca
    secret: {secretName: {{ . }}}
  {{- end }}
  {{- if eq $git.mode "pull-request" }}
  - name: forge
    secret: {secretName: {{ $git.forge.tokenSecret.name }}, defaultMode: 0440}
  {{- end }}
mounts:
  - {name: cache, mountPath: /var/cache/rowcast}
  - {name: git, mountPath: /etc/rowcast/git, readOnly: true}
  {{- if ne (include "sync.git.ssh" $root) "true" }}
  - {name: gitconfig, mountPath: /etc/rowcast/gitconfig, readOnly: true}
  {{- end }}
  {{- if $git.caSecret.name }}
  - {name: git-ca, mountPath: /etc/rowcast/git-ca, readOnly: true}
  {{- end }}
  {{- if eq $git.mode "pull-request" }}
  - {name: forge, mountPath: /etc/rowcast/forge, readOnly: true}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Whether the repository is reached by SSH: ssh://… or user@host:path. */}}
{{- define "sync.git.ssh" -}}
{{- $url := include "rowcast.git.url" . -}}
{{- or (hasPrefix "ssh://" $url) (and (not (contains "://" $url)) (contains "@" $url)) -}}
{{- end -}}

{{/* dict root, target: an instance. What an instance doesn't say, holds for all of them. */}}
{{- define "sync.instance" -}}
{{- $component := printf "sync-%s" .target -}}
{{- $values := merge (deepCopy (get .root.Values .target)) (omit .root.Values "global" "k8s" "git") -}}
{{- $parts := merge (include "sync.parts" . | fromYaml) (include "rowcast.service.parts" .root | fromYaml) -}}
{{- $replicas := $values.replicas -}}
{{- if and (eq .target "k8s") (ne .root.Values.k8s.autoscaling.engine "none") -}}{{- $replicas = "" -}}{{- end -}}
{{- include "rowcast.deployment" (dict "root" .root "component" $component "values" $values "replicas" $replicas "parts" $parts) }}
---
{{ include "rowcast.serviceAccount" (dict "root" .root "component" $component) }}
{{- end -}}

{{/* The namespaces of this cluster that resources go to: the target's own, and those of its environments. */}}
{{- define "sync.namespaces" -}}
{{- $namespaces := list (include "rowcast.targetNamespace" .) -}}
{{- range .Values.k8s.environments -}}
{{- if and . .namespace (not .kubeconfig) -}}
{{- $namespaces = append $namespaces .namespace -}}
{{- end -}}
{{- end -}}
{{- uniq $namespaces | toYaml -}}
{{- end -}}
