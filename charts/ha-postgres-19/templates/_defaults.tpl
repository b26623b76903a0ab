{{/*
Helm removes a value that a values file sets to null, or leaves empty, and an upgrade with --reuse-values lacks the values that are new.
Both mean the default. The values are one object for all templates, so the first one that is rendered does this.
*/}}
{{- define "ha-postgres-19.0.0.defaults" -}}
{{- range $path, $default := .Files.Get "files/defaults.json" | fromJson -}}
{{- $node := $.Values -}}
{{- $keys := splitList "." $path -}}
{{- range initial $keys -}}
{{- if not (hasKey $node .) -}}
{{- $_ := set $node . dict -}}
{{- end -}}
{{- $node = get $node . -}}
{{- end -}}
{{- if not (hasKey $node (last $keys)) -}}
{{- $_ := set $node (last $keys) $default -}}
{{- end -}}
{{- end -}}
{{- end }}
