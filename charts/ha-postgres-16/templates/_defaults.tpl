{{/*
Helm removes a value that a values file sets to null, or leaves empty, and an upgrade with --reuse-values lacks the values that are new.
Both mean the default. The values are one object for all templates, so the first one that is rendered does this.
A section whose name ends with ? may be null itself, and then stays so.
*/}}
{{- define "ha-postgres-16.0.0.defaults" -}}
{{- range $path, $default := .Files.Get "files/defaults.json" | fromJson -}}
{{- $node := $.Values -}}
{{- $keys := splitList "." $path -}}
{{- range initial $keys -}}
{{- $key := trimSuffix "?" . -}}
{{- if kindIs "map" $node -}}
{{- if and (eq $key .) (not (hasKey $node $key)) -}}
{{- $_ := set $node $key dict -}}
{{- end -}}
{{- $node = get $node $key -}}
{{- end -}}
{{- end -}}
{{- if kindIs "map" $node -}}
{{- if not (hasKey $node (last $keys)) -}}
{{- $_ := set $node (last $keys) $default -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
