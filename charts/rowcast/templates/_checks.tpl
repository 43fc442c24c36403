{{/* What can't be meant, each in one sentence that says what to set. */}}
{{- define "rowcast.check" -}}
{{- if not .ok -}}{{- fail (printf "\n\nrowcast: %s\n" .text) -}}{{- end -}}
{{- end -}}

{{/* dict root, part, value (its place among the values), own (what is there), enabled: either the included part or one's own. */}}
{{- define "rowcast.check.oneOf" -}}
{{- include "rowcast.check" (dict "ok" (or .enabled (ne .own "")) "text" (printf "%s.enabled=false needs %s: name your own, or let the chart bring one." .part .value)) -}}
{{- include "rowcast.check" (dict "ok" (not (and .enabled (ne .own ""))) "text" (printf "%s is set and %s.enabled=true: set %s.enabled=false to use your own, or leave %s empty for the included one." .value .part .part .value)) -}}
{{- end -}}

{{/* Targets of names of their own: what they say is known, and no two of a kind are one place. */}}
{{- define "rowcast.checkNamedTargets" -}}
{{- $shared := dict "k8s" .Values.sync.k8s "git" .Values.sync.git -}}
{{- $known := keys (omit .Values.sync "global" "k8s" "git" "enabled") -}}
{{- $places := dict -}}
{{- if .Values.global.targets.k8s.enabled -}}
{{- $_ := set $places (printf "k8s/%s/%s/%s" .Values.sync.k8s.kubeconfigSecret.name .Values.sync.k8s.kubeconfigSecret.key (include "rowcast.targetNamespace" .)) "k8s" -}}
{{- end -}}
{{- if .Values.global.targets.git.enabled -}}
{{- $_ := set $places (printf "git/%s/%s/%s" (include "rowcast.git.url" .) .Values.global.git.branch .Values.global.git.root) "git" -}}
{{- end -}}
{{- range $name, $target := include "rowcast.namedTargets" . | fromYaml -}}
{{- $path := printf "global.targets.%s" $name -}}
{{- include "rowcast.check" (dict "ok" (regexMatch "^[a-z]([-a-z0-9]{0,15}[a-z0-9])?$" $name) "text" (printf "%s: a target's name is of lower-case letters, digits and hyphens, begins with a letter, ends with one or a digit, and has 17 characters at most." $path)) -}}
{{- $sync := $target.sync | default dict -}}
{{- $foreign := keys $sync -}}
{{- range concat $known (keys (get $shared $target.kind)) -}}{{- $foreign = without $foreign . -}}{{- end -}}
{{- include "rowcast.check" (dict "ok" (not $foreign) "text" (printf "%s.sync.%s is not a value of a target's instance: it has those of sync.%s." $path (join ", " (sortAlpha $foreign)) $target.kind)) -}}
{{- $place := "" -}}
{{- if eq $target.kind "k8s" -}}
{{- include "rowcast.check" (dict "ok" (not $target.git) "text" (printf "%s.git is for targets of the kind git." $path)) -}}
{{- $secret := mergeOverwrite (deepCopy $.Values.sync.k8s.kubeconfigSecret) ($sync.kubeconfigSecret | default dict) -}}
{{- $place = printf "k8s/%s/%s/%s" $secret.name $secret.key ($target.namespace | default $.Release.Namespace) -}}
{{- else -}}
{{- $own := $target.git | default dict -}}
{{- include "rowcast.check" (dict "ok" (and $own.url $own.existingSecret (not $target.namespace)) "text" (printf "%s needs %s.git.url and %s.git.existingSecret: the repository and a secret with its login, as for global.git; and no namespace, which is a cluster's." $path $path $path)) -}}
{{- include "rowcast.check" (dict "ok" (not (regexMatch "(?i)^https?://([^/]*@|[^?#]*[?#])" $own.url)) "text" (printf "%s.git.url must not have a login, a query or a fragment in it: it would be shown and logged." $path)) -}}
{{- $git := mergeOverwrite (deepCopy $.Values.global.git) $own -}}
{{- $place = printf "git/%s/%s/%s" $git.url $git.branch $git.root -}}
{{- end -}}
{{- include "rowcast.check" (dict "ok" (not (hasKey $places $place)) "text" (printf "%s and global.targets.%s are one place: two targets there would keep each other from it. Give one of them another %s." $path (get $places $place) (ternary "namespace, or cluster (sync.kubeconfigSecret)" "repository, branch or root (git.url, git.branch, git.root)" (eq $target.kind "k8s")))) -}}
{{- $_ := set $places $place $name -}}
{{- end -}}
{{- end -}}

{{- define "rowcast.checks" -}}
{{- $g := .Values.global -}}
{{- $targets := $g.targets -}}
{{- /* Below another chart, others have global values, too; by itself, an unknown one is a slip. */ -}}
{{- if .Chart.IsRoot -}}
{{- $foreign := without (keys $g) "secrets" "fullnameOverride" "commonLabels" "logLevel" "nodeSelector" "tolerations" "priorityClassName" "image" "shutdown" "dapr" "targets" "postgres" "broker" "capture" "kafka" "redis" "rabbitmq" "jetstream" "connect" "git" "gitops" "nameOverride" "imagePullSecrets" "imageRegistry" "storageClass" "affinity" "topologySpreadConstraints" "jobs" -}}
{{- include "rowcast.check" (dict "ok" (not $foreign) "text" (printf "global.%s is not a value of this chart: see its README for those that there are. (Below another chart, foreign global values are left alone.)" (join ", global." (sortAlpha $foreign)))) -}}
{{- /* Blocks of names that other charts have, too. */ -}}
{{- $blocks := dict -}}
{{- $_ := set $blocks "image" (list "registry" "tag" "pullPolicy" "pullSecrets" "services" "capture") -}}
{{- $_ := set $blocks "postgres" (list "host" "port" "database" "user" "existingSecret" "secretKeys" "servingRole" "setServingPassword" "replicationRole" "slot" "setReplicationPassword" "sslMode" "caSecret") -}}
{{- $_ := set $blocks "kafka" (list "brokers" "topicPrefix" "usersSecret" "tls" "sasl") -}}
{{- $_ := set $blocks "redis" (list "address" "existingSecret" "secretKeys" "tls") -}}
{{- $_ := set $blocks "rabbitmq" (list "address" "existingSecret" "secretKeys" "tls") -}}
{{- range $block, $names := $blocks -}}
{{- $others := keys (get $g $block) -}}
{{- range $names -}}{{- $others = without $others . -}}{{- end -}}
{{- include "rowcast.check" (dict "ok" (not $others) "text" (printf "global.%s.%s is not a value of this chart: global.%s has %s." $block (first (sortAlpha $others | default (list ""))) $block (join ", " $names))) -}}
{{- end -}}
{{- include "rowcast.check" (dict "ok" (include "rowcast.logLevel.known" .) "text" (printf "global.logLevel=%v: it is debug, info, warning or error." $g.logLevel)) -}}
{{- end -}}
{{- include "rowcast.check" (dict "ok" (or (not $g.dapr.requireCrds) (.Capabilities.APIVersions.Has "dapr.io/v1alpha1")) "text" "Dapr is missing: the cluster doesn't know dapr.io/v1alpha1. Install Dapr's control plane first (its chart goes into the namespace dapr-system). To render without a cluster, add --set global.dapr.requireCrds=false.") -}}
{{- $unpublished := index .Chart.Annotations "rowcast.dev/unpublished" -}}
{{- $images := or (not $unpublished) $g.imageRegistry $g.image.tag (ne $g.image.registry $unpublished) -}}
{{- if not $images -}}
{{- /* Each part that is installed may name its own. */ -}}
{{- $images = true -}}
{{- $idle := append (without (list "kafka" "redis" "rabbitmq" "jetstream") $g.broker.kind) (ternary "connect" "capture" (eq (include "rowcast.capture.kind" .) "engine")) -}}
{{- range $name, $part := .Values -}}
{{- if and (not (has $name $idle)) (kindIs "map" $part) (hasKey $part "image") (get $part "enabled" | toString | ne "false") -}}
{{- $images = and $images (or $part.image.registry $part.image.tag $part.image.digest) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Release.IsInstall (.Capabilities.APIVersions.Has "dapr.io/v1alpha1") -}}
{{- include "rowcast.check" (dict "ok" $images "text" (printf "this chart is of no release, and nobody publishes the images that it names (%s). Build and push them (./task images; docs/how-to/build-images.md), and name them: --set global.image.registry=registry.example --set global.image.tag=%s. Where the nodes have them already, the tag alone is enough." (include "rowcast.image" (dict "root" .)) .Chart.AppVersion)) -}}
{{- end -}}
{{- include "rowcast.check" (dict "ok" (ne (include "rowcast.targets" .) "") "text" "global.targets.k8s.enabled and global.targets.git.enabled are both false: enable at least one, or changes go nowhere.") -}}
{{- if .Values.sync.enabled -}}{{- include "rowcast.checkNamedTargets" . -}}{{- end -}}
{{- include "rowcast.check.oneOf" (dict "part" "postgres" "value" "global.postgres.host" "own" $g.postgres.host "enabled" .Values.postgres.enabled) -}}
{{- include "rowcast.check" (dict "ok" (or (eq $g.postgres.host "") (ne $g.postgres.existingSecret "")) "text" "global.postgres.host needs global.postgres.existingSecret: a secret with the passwords of the owner, of the role that crud serves as and of the one that replicates.") -}}
{{- $secret := dict -}}
{{- if $g.postgres.existingSecret -}}{{- $secret = lookup "v1" "Secret" .Release.Namespace $g.postgres.existingSecret | default dict -}}{{- end -}}
{{- if and $secret.data (include "rowcast.postgres.servesApart" .) -}}
{{- include "rowcast.check" (dict "ok" (hasKey $secret.data $g.postgres.secretKeys.servingPassword) "text" (printf "the secret %s has no key %s: add one with a password for the role that crud serves as, or set global.postgres.servingRole=%s to go on serving as the owner." $g.postgres.existingSecret $g.postgres.secretKeys.servingPassword $g.postgres.user)) -}}
{{- end -}}
{{- include "rowcast.check" (dict "ok" (or (not (hasPrefix "verify-" $g.postgres.sslMode)) (ne $g.postgres.caSecret.name "")) "text" (printf "global.postgres.sslMode=%s needs global.postgres.caSecret.name: the CA to verify by." $g.postgres.sslMode)) -}}
{{- $broker := $g.broker.kind -}}
{{- $capture := include "rowcast.capture.kind" . -}}
{{- include "rowcast.check" (dict "ok" (or (eq $broker "kafka") (eq $capture "engine")) "text" (printf "global.capture.kind=connect needs global.broker.kind=kafka: Kafka Connect writes to Kafka alone. Leave it empty, and Debezium's engine captures for %s." $broker)) -}}
{{- if ne $broker "kafka" -}}
{{- $own := get $g $broker -}}
{{- include "rowcast.check.oneOf" (dict "part" $broker "value" (printf "global.%s.address" $broker) "own" $own.address "enabled" (get .Values $broker).enabled) -}}
{{- include "rowcast.check" (dict "ok" (or (ne $own.address "") (not $own.tls.enabled)) "text" (printf "global.%s.tls is for your own broker: the included one has no TLS (%s.enabled=true)." $broker $broker)) -}}
{{- include "rowcast.check" (dict "ok" (or (eq $own.address "") (ne $broker "rabbitmq") (ne $own.existingSecret "")) "text" "global.rabbitmq.address needs global.rabbitmq.existingSecret: a secret with the URL, login and all, under the key url.") -}}
{{- if and (eq $broker "jetstream") (ne $own.address "") (include "rowcast.usesKeda" .) -}}
{{- include "rowcast.check" (dict "ok" (ne $own.monitoring "") "text" "sync.k8s.autoscaling.engine=keda needs global.jetstream.monitoring: host:port of your server's monitoring, where KEDA reads what waits.") -}}
{{- end -}}
{{- else -}}
{{- include "rowcast.check.oneOf" (dict "part" "kafka" "value" "global.kafka.brokers" "own" $g.kafka.brokers "enabled" .Values.kafka.enabled) -}}
{{- include "rowcast.check" (dict "ok" (not (and .Values.kafka.enabled (or $g.kafka.tls.enabled (ne $g.kafka.sasl.mechanism "")))) "text" "global.kafka.tls and global.kafka.sasl are for your own brokers: the included one has its own login, and no TLS (kafka.enabled=true).") -}}
{{- include "rowcast.check" (dict "ok" (or (eq $g.kafka.sasl.mechanism "") (ne $g.kafka.sasl.existingSecret "")) "text" "global.kafka.sasl.mechanism needs global.kafka.sasl.existingSecret: a secret with user name and password.") -}}
{{- end -}}
{{- if eq $capture "connect" -}}
{{- include "rowcast.check.oneOf" (dict "part" "connect" "value" "global.connect.url" "own" $g.connect.url "enabled" .Values.connect.enabled) -}}
{{- include "rowcast.check" (dict "ok" (not (regexMatch "(?i)^https?://[^/]*@" $g.connect.url)) "text" "global.connect.url must not have a login in it: it would be shown and logged; put the password into the secret of global.connect.login.existingSecret.") -}}
{{- else -}}
{{- include "rowcast.check" (dict "ok" .Values.capture.enabled "text" "capture.enabled=false leaves nobody to capture changes: set it to true; capture.replicas=0 pauses it.") -}}
{{- end -}}
{{- if $targets.git.enabled -}}
{{- include "rowcast.check.oneOf" (dict "part" "git-server" "value" "global.git.url" "own" $g.git.url "enabled" (index .Values "git-server" "enabled")) -}}
{{- include "rowcast.check" (dict "ok" (not (regexMatch "(?i)^https?://([^/]*@|[^?#]*[?#])" $g.git.url)) "text" "global.git.url must not have a login, a query or a fragment in it: it would be shown and logged; put the login into the secret of global.git.existingSecret.") -}}
{{- include "rowcast.check" (dict "ok" (not (regexMatch "(?i)^https?://([^/]*@|[^?#]*[?#])" $g.git.forge.url)) "text" "global.git.forge.url must not have a login, a query or a fragment in it: put the token into the secret of global.git.forge.tokenSecret.") -}}
{{- include "rowcast.check" (dict "ok" (or (eq $g.git.url "") (ne $g.git.existingSecret "")) "text" "global.git.url needs global.git.existingSecret: a secret with username and password, or with ssh-privatekey and known_hosts.") -}}
{{- if eq $g.git.mode "pull-request" -}}
{{- include "rowcast.check" (dict "ok" (ne $g.git.url "") "text" "global.git.mode=pull-request needs global.git.url: the included repository has no pull requests, name yours at a forge.") -}}
{{- include "rowcast.check" (dict "ok" (and (ne $g.git.forge.kind "") (ne $g.git.forge.url "") (ne $g.git.forge.tokenSecret.name "")) "text" "global.git.mode=pull-request needs global.git.forge.kind, global.git.forge.url and global.git.forge.tokenSecret.name: which API has the pull requests, where, and a token for it.") -}}
{{- end -}}
{{- end -}}
{{- include "rowcast.check" (dict "ok" (not (and .Values.renderers .Values.renderersFrom.configMap)) "text" "renderers and renderersFrom.configMap are both set: put all declarations into one of them.") -}}
{{- if and .Values.renderersFrom.configMap .Values.sync.enabled $targets.k8s.enabled (not ((.Values.sync.k8s).kubeconfigSecret).name) -}}
{{- include "rowcast.check" (dict "ok" (or .Values.renderersRights.rules .Values.renderersRights.elsewhere) "text" "renderersFrom.configMap needs renderersRights.rules: what sync-k8s has to be allowed for its declarations. `rowcast renderer rights --format values FILE…` prints it; renderersRights.elsewhere=true if somebody else gives them.") -}}
{{- end -}}
{{- range $name := list "ingress" "httpRoute" -}}
{{- if and $.Values.crud.enabled (get $.Values.crud $name).enabled -}}
{{- include "rowcast.check" (dict "ok" (and $.Values.crud.access.policy $.Values.crud.access.issuers) "text" (printf "crud.%s.enabled needs crud.access.policy and crud.access.issuers: who may do what, and whose tokens are believed (docs/how-to/decide-who-may-do-what.md)." $name)) -}}
{{- include "rowcast.check" (dict "ok" (or (not $.Values.networkPolicies.enabled) $.Values.networkPolicies.apiFrom) "text" (printf "crud.%s.enabled needs networkPolicies.apiFrom: from where your ingress controller or gateway reaches crud, such as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]." $name)) -}}
{{- end -}}
{{- end -}}
{{- if .Values.ui.enabled -}}
{{- $ui := .Values.ui -}}
{{- $auth := $ui.auth.serverMetadataUrl -}}
{{- include "rowcast.check" (dict "ok" (or (not $auth) (and $ui.auth.redirectUri $ui.auth.clientId $ui.auth.existingSecret)) "text" "ui.auth.serverMetadataUrl needs ui.auth.redirectUri, ui.auth.clientId and ui.auth.existingSecret: a secret with client-secret and cookie-secret.") -}}
{{- range $name := list "redirectUri" "clientId" "existingSecret" "issuer" -}}
{{- include "rowcast.check" (dict "ok" (or $auth (not (get $ui.auth $name))) "text" (printf "ui.auth.%s needs ui.auth.serverMetadataUrl: without it there is no login, and everybody is let in." $name)) -}}
{{- end -}}
{{- include "rowcast.check" (dict "ok" (or (not $auth) (and (eq $ui.login.existingSecret "") (ne $ui.login.mode "none"))) "text" "ui.auth.serverMetadataUrl and ui.login.existingSecret (or ui.login.mode=none) contradict each other: remove one of the two.") -}}
{{- $login := or (ne $auth "") (ne $ui.login.existingSecret "") (ne $ui.login.mode "") -}}
{{- $open := "would let everybody in who reaches it: set ui.login.existingSecret to the secret with the login, or ui.auth (docs/how-to/sign-in.md), ui.login.mode=required if you mount it yourself, or ui.login.mode=none if that is meant." -}}
{{- include "rowcast.check" (dict "ok" (or $login (not $ui.ingress.enabled)) "text" (printf "ui.ingress.enabled without a login %s" $open)) -}}
{{- include "rowcast.check" (dict "ok" (or $login (not $ui.httpRoute.enabled)) "text" (printf "ui.httpRoute.enabled without a login %s" $open)) -}}
{{- include "rowcast.check" (dict "ok" (or $login (eq $ui.service.type "ClusterIP")) "text" (printf "ui.service.type=%s without a login %s" $ui.service.type $open)) -}}
{{- include "rowcast.check" (dict "ok" (not (and (eq $ui.login.mode "none") (ne $ui.login.existingSecret ""))) "text" "ui.login.mode=none and ui.login.existingSecret contradict each other: remove one of the two.") -}}
{{- end -}}
{{- if ne .Values.global.gitops.engine "none" -}}
{{- include "rowcast.check" (dict "ok" $targets.git.enabled "text" (printf "global.gitops.engine=%s needs global.targets.git.enabled=true: it applies what sync-git commits." .Values.global.gitops.engine)) -}}
{{- include "rowcast.check" (dict "ok" (or (not $targets.k8s.enabled) (ne (include "rowcast.targetNamespace" .) (include "rowcast.gitops.namespace" .))) "text" (printf "global.gitops.engine=%s and the target k8s would both write to the namespace %s: set global.targets.k8s.enabled=false, or another namespace to one of them (gitops.destination.namespace, global.targets.k8s.namespace)." .Values.global.gitops.engine (include "rowcast.gitops.namespace" .))) -}}
{{- end -}}
{{- end -}}
