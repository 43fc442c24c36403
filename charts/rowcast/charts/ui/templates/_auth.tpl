{{/* Who writes Streamlit's file of secrets: before the dashboard starts, from values and a secret. */}}
{{- define "ui.auth" }}
{{- $auth := .Values.auth }}
initContainers:
  - name: login
    image: {{ include "rowcast.image" (dict "root" . "image" .Values.image) }}
    imagePullPolicy: {{ include "rowcast.pullPolicy" (dict "root" . "image" .Values.image) }}
    command:
      - python
      - -c
      # A text of JSON is one of TOML.
      - |
        import functools, json, os, pathlib
        text = functools.partial(json.dumps, ensure_ascii=False)
        auth = json.loads(os.environ["AUTH"])
        auth |= {"client_secret": os.environ["CLIENT_SECRET"], "cookie_secret": os.environ["COOKIE_SECRET"]}
        more = auth.pop("client_kwargs", {})
        lines = ["[auth]", *(f"{key} = {text(value)}" for key, value in auth.items())]
        lines += ["client_kwargs = {" + ", ".join(f"{text(key)} = {text(value)}" for key, value in more.items()) + "}"] if more else []
        pathlib.Path("/login/secrets.toml").write_text("\n".join(lines) + "\n")
    env:
      {{- $given := dict "redirect_uri" $auth.redirectUri "client_id" $auth.clientId "server_metadata_url" $auth.serverMetadataUrl }}
      {{- with $auth.issuer }}{{ $_ := set $given "issuer" . }}{{ end }}
      {{- with $auth.clientKwargs }}{{ $_ := set $given "client_kwargs" . }}{{ end }}
      {{- with $auth.exposeTokens }}{{ $_ := set $given "expose_tokens" . }}{{ end }}
      - {name: AUTH, value: {{ toJson $given | quote }}}
      {{- include "rowcast.secretEnv" (dict "name" "CLIENT_SECRET" "secret" $auth.existingSecret "key" "client-secret") | nindent 6 }}
      {{- include "rowcast.secretEnv" (dict "name" "COOKIE_SECRET" "secret" $auth.existingSecret "key" "cookie-secret") | nindent 6 }}
    resources:
      requests: {cpu: 10m, memory: 32Mi}
      limits: {memory: 64Mi}
    securityContext:
      {{- include "rowcast.securityContext" (dict "values" .Values) | nindent 6 }}
    volumeMounts:
      - {name: login, mountPath: /login}
{{- end }}
