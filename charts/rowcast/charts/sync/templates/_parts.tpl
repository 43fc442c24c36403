{{/*
dict root, target: `root` becomes the root for that target alone, with its name as `target`, and `kind` its kind; prints nothing.
What a target of a name of its own says is put over what all of its kind have; environments and account are its own.
*/}}
{{- define "sync.scope" -}}
{{- $values := omit .root.Values -}}
{{- $own := get (include "rowcast.namedTargets" .root | fromYaml) .target -}}
{{- $kind := .target -}}
{{- if $own -}}
{{- $kind = $own.kind -}}
{{- $account := dict "create" true "name" "" "annotations" dict -}}
{{- $shared := merge (dict "environments" dict "serviceAccount" $account) (deepCopy (omit (get $values $kind) "environments" "serviceAccount")) -}}
{{- $global := omit $values.global -}}
{{- /* What it says counts where instances have it of their kind, and where all have it alike. */ -}}
{{- $values = mergeOverwrite (deepCopy (omit $values "global" "k8s" "git")) (deepCopy ($own.sync | default dict)) (pick $values "k8s" "git") -}}
{{- $_ := set $values "global" $global -}}
{{- $_ := set $values $kind (mergeOverwrite $shared ($own.sync | default dict)) -}}
{{- $_ := set $global "git" (mergeOverwrite (deepCopy $global.git) ($own.git | default dict)) -}}
{{- $_ := set $global "targets" (merge (dict "k8s" (dict "namespace" ($own.namespace | default ""))) $global.targets) -}}
{{- $_ := set $global "gitops" (merge (dict "engine" "none") $global.gitops) -}}
{{- end -}}
{{- $_ := set . "kind" $kind -}}
{{- $_ := set . "root" (merge (dict "Values" $values "target" .target) (omit .root "Values")) -}}
{{- end -}}

{{/* dict root, target, kind */}}
{{- define "sync.parts" -}}
{{- $root := .root -}}
{{- $sync := $root.Values -}}
{{- $git := $root.Values.global.git -}}
{{- $component := printf "sync-%s" .target -}}
{{- $engine := $root.Values.global.gitops.engine -}}
{{- $broker := include "rowcast.broker.kind" $root -}}
command: [rowcast, sync, serve]
annotations:
  {{- include "rowcast.dapr.annotations" (dict "root" $root "id" $component "port" 8080 "configuration" "rowcast-closed" "broker" true "drain" (include "rowcast.drainSeconds" $root)) | nindent 2 }}
env:
  {{- include "rowcast.service.env" $root | nindent 2 }}
  - {name: ROWCAST_TARGET, value: {{ .target }}}
  {{- if ne .target .kind }}
  - {name: ROWCAST_TARGET_KIND, value: {{ .kind }}}
  {{- end }}
  - {name: ROWCAST_SUBSCRIPTION, value: {{ $sync.subscription.mode | default (ternary "single" "bulk" (eq $broker "jetstream")) }}}
  - {name: ROWCAST_BATCH_SIZE, value: {{ $sync.subscription.batchSize | quote }}}
  - {name: ROWCAST_BATCH_WAIT_MS, value: {{ $sync.subscription.batchWaitMs | quote }}}
  - {name: ROWCAST_LATE_SECONDS, value: {{ $sync.lateSeconds | default (ternary 60 5 (eq $broker "kafka")) | quote }}}
  {{- if eq $broker "rabbitmq" }}
  # Dapr's component for it takes an unconfirmed publish for done.
  - {name: ROWCAST_BROKER_CONFIRMS, value: "false"}
  {{- end }}
  - {name: ROWCAST_RECONCILE_SECONDS, value: {{ $sync.reconcile.seconds | quote }}}
  - {name: ROWCAST_RECONCILE_PRUNE_LIMIT, value: {{ $sync.reconcile.pruneLimit | quote }}}
  - {name: ROWCAST_DRIFT, value: {{ $sync.reconcile.drift }}}
  {{- with (get $sync .kind).environments }}
  - {name: ROWCAST_ENVIRONMENTS, value: {{ toJson . | quote }}}
  {{- end }}
  {{- if eq .kind "k8s" }}
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
  - {name: ROWCAST_GIT_PATH, value: {{ $git.path | quote }}}
  {{- if $git.kustomization }}
  - {name: ROWCAST_GIT_KUSTOMIZATION, value: "true"}
  {{- end }}
  {{- if $git.signing.secret }}
  - {name: ROWCAST_GIT_SIGNING_KEY, value: /etc/rowcast/git-signing/{{ $git.signing.key }}}
  - {name: ROWCAST_GIT_SIGNING_FORMAT, value: {{ $git.signing.format }}}
  {{- end }}
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
  {{- if ne $engine "none" }}
  - {name: ROWCAST_GITOPS_ENGINE, value: {{ $engine }}}
  {{- if eq $engine "flux" }}
  - name: GITOPS_NAMESPACE
    valueFrom:
      fieldRef: {fieldPath: metadata.namespace}
  {{- end }}
  - name: ROWCAST_GITOPS_APPLICATION
    value: {{ printf "%s/%s" (ternary $root.Values.global.gitops.argocd.namespace "$(GITOPS_NAMESPACE)" (eq $engine "argocd")) (include "rowcast.fullname" $root) }}
  {{- end }}
  {{- if eq (include "sync.git.ssh" $root) "true" }}
  - {name: ROWCAST_GIT_SSH_KEY, value: /etc/rowcast/git/ssh-privatekey}
  - {name: ROWCAST_GIT_KNOWN_HOSTS, value: /etc/rowcast/git/known_hosts}
  {{- else }}
  - {name: ROWCAST_GIT_USERNAME_FILE, value: /etc/rowcast/git/username}
  - {name: ROWCAST_GIT_PASSWORD_FILE, value: /etc/rowcast/git/password}
  {{- if $git.caSecret.name }}
  - {name: GIT_SSL_CAINFO, value: /etc/rowcast/git-ca/{{ $git.caSecret.key }}}
  {{- end }}
  {{- end }}
  {{- end }}
{{- if eq .kind "k8s" }}
mountToken: {{ not $sync.k8s.kubeconfigSecret.name }}
volumes:
  {{- include "rowcast.broker.sidecarVolume" $root | nindent 2 }}
  {{- with $sync.k8s.kubeconfigSecret.name }}
  - name: kubeconfig
    secret: {secretName: {{ . }}, defaultMode: 0440}
  {{- end }}
mounts:
  {{- with $sync.k8s.kubeconfigSecret.name }}
  - {name: kubeconfig, mountPath: /etc/rowcast/kubeconfig, readOnly: true}
  {{- end }}
{{- else }}
{{- if ne $engine "none" }}
mountToken: true
{{- end }}
# One writer to a branch: the old pod ends before the new one begins.
strategy: {type: Recreate}
volumes:
  - name: cache
    emptyDir: {sizeLimit: {{ $sync.git.cacheSize }}}
  - name: git
    secret: {secretName: {{ include "rowcast.git.secretName" $root }}, defaultMode: 0440}
  {{- include "rowcast.broker.sidecarVolume" $root | nindent 2 }}
  {{- with $git.caSecret.name }}
  - name: git-ca
    secret: {secretName: {{ . }}}
  {{- end }}
  {{- with $git.signing.secret }}
  - name: git-signing
    secret: {secretName: {{ . }}, defaultMode: 0440}
  {{- end }}
  {{- if eq $git.mode "pull-request" }}
  - name: forge
    secret: {secretName: {{ $git.forge.tokenSecret.name }}, defaultMode: 0440}
  {{- end }}
mounts:
  - {name: cache, mountPath: /var/cache/rowcast}
  - {name: git, mountPath: /etc/rowcast/git, readOnly: true}
  {{- if $git.caSecret.name }}
  - {name: git-ca, mountPath: /etc/rowcast/git-ca, readOnly: true}
  {{- end }}
  {{- if $git.signing.secret }}
  - {name: git-signing, mountPath: /etc/rowcast/git-signing, readOnly: true}
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

{{/* dict root, target, kind: an instance. What an instance doesn't say, holds for all of them. */}}
{{- define "sync.instance" -}}
{{- $component := printf "sync-%s" .target -}}
{{- $values := merge (deepCopy (get .root.Values .kind)) (omit .root.Values "global" "k8s" "git") -}}
{{- $parts := merge (include "sync.parts" . | fromYaml) (include "rowcast.service.parts" .root | fromYaml) -}}
{{- $replicas := $values.replicas -}}
{{- if and (eq .kind "k8s") (ne .root.Values.k8s.autoscaling.engine "none") -}}{{- $replicas = "" -}}{{- end -}}
{{- include "rowcast.deployment" (dict "root" .root "component" $component "values" $values "replicas" $replicas "parts" $parts) }}
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

{{/* Where the engine's objects are: Argo CD's are in its own namespace. */}}
{{- define "sync.gitops.namespace" -}}
{{- ternary .Values.global.gitops.argocd.namespace .Release.Namespace (eq .Values.global.gitops.engine "argocd") -}}
{{- end -}}

{{/* dict root, target, kind, namespace, rules: what an instance's account may do in a namespace. */}}
{{- define "sync.role" -}}
{{- $name := dict "root" .root "component" (printf "sync-%s" .target) -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ include "rowcast.name" $name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "rowcast.labels" $name | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ include "rowcast.name" $name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "rowcast.labels" $name | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "rowcast.name" $name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "rowcast.serviceAccountName" (merge (dict "values" (get .root.Values .kind)) $name) }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}
