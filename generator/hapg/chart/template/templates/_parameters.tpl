{{/* What is wrong with `postgresql.parameters`, as a list with at most one sentence for each. */}}
{{- define "[[ prefix ]].parameterProblems" -}}
{{- $wrong := list -}}
{{- $known := .Files.Get "files/parameters.json" | fromJson -}}
{{- range $name, $value := .Values.postgresql.parameters -}}
{{- if not (regexMatch "^[[ parameter_values.NAME ]]$" $name) -}}
{{- $wrong = append $wrong (printf "postgresql.parameters: %q is not a parameter name in lower case" $name) -}}
{{- else -}}
{{- $text := include "[[ prefix ]].parameterText" $value -}}
{{- $why := include "[[ prefix ]].forbiddenParameter" (list $ $name $text) -}}
{{- if not (or $why (contains "." $name)) -}}
{{- if not (hasKey $known $name) -}}
{{- $why = "unknown parameter of PostgreSQL [[ profile.major ]]; allowed are those in the chart's files/parameters.json, and extensions' parameters, with a dot in the name" -}}
{{- else -}}
{{- $why = include "[[ prefix ]].wrongParameter" (list (get $known $name) $text) -}}
{{- end -}}
{{- end -}}
{{- if $why -}}
{{- $wrong = append $wrong (printf "postgresql.parameters.%s: %s" $name $why) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}

{{/* A value as PostgreSQL reads it, without quotes. */}}
{{- define "[[ prefix ]].parameterText" -}}
{{- kindIs "string" . | ternary . (include "[[ prefix ]].parameter" . | trimAll "'") -}}
{{- end }}

{{/* Why failover does not allow a parameter or its value; empty if it does. Takes a list: the root context, name, text. */}}
{{- define "[[ prefix ]].forbiddenParameter" -}}
{{- $name := index . 1 -}}
{{- $text := index . 2 -}}
{{- $reserved := dict -}}
[% for why, each in restrictions.RESERVED.items() | groupby(1) %]
{{- range list [% for name, _ in each %]"[[ name ]]" [% endfor %]-}}
{{- $_ := set $reserved . "[[ why ]]" -}}
{{- end -}}
[% endfor %]
{{- if hasPrefix "[[ restrictions.RESERVED_PREFIX ]]" $name -}}
{{- $_ := set $reserved $name "[[ restrictions.RESERVED_PREFIX_WHY ]]" -}}
{{- end -}}
{{- $root := index . 0 -}}
{{- if and (include "[[ prefix ]].sslMode" $root) (has $name (list "ssl" "ssl_cert_file" "ssl_key_file")) -}}
{{- $_ := set $reserved $name (printf "tls.mode %s sets it" $root.Values.tls.mode) -}}
{{- end -}}
{{- if and $root.Values.archiver.type (has $name (list [% for name in restrictions.ARCHIVER_SETS %]"[[ name ]]" [% endfor %])) -}}
{{- $_ := set $reserved $name "archiver.type sets how WAL is archived; remove one of them" -}}
{{- end -}}
{{- if hasKey $reserved $name -}}
can't be set, because {{ get $reserved $name }}
[% for name, bound in restrictions.BOUNDS.items() %]
{{- else if and (eq $name "[[ name ]]") (not (regexMatch "^[[ bound.pattern ]]$" $text)) -}}
{{ $text | quote }} is not allowed; [[ bound.words ]]: [[ bound.why ]]
[% endfor %]
[% set bound = restrictions.SYNCHRONOUS_COMMIT %]
{{- else if and (eq $name "synchronous_commit") (eq $root.Values.replication.mode "synchronous") (not (regexMatch "^[[ bound.pattern ]]$" $text)) -}}
{{ $text | quote }} is not allowed with replication.mode synchronous; [[ bound.words ]]: [[ bound.why ]]
[% for name, least in profile.least.items() %]
{{- else if and (eq $name "[[ name ]]") (regexMatch "^[0-9]+$" $text) (lt (int $text) [[ least ]]) -}}
{{ $text }} is less than [[ least ]]; with less, PostgreSQL [[ profile.major ]] does not start with the chart's other settings
[% endfor %]
{{- end -}}
{{- end }}

{{/* Why PostgreSQL would refuse a value; empty if it takes it. Takes a list: what files/parameters.json says of the parameter, text. */}}
{{- define "[[ prefix ]].wrongParameter" -}}
{{- $about := index . 0 -}}
{{- $text := index . 1 -}}
{{- $allowed := "" -}}
{{- if eq $about.context "[[ preset ]]" -}}
can't be set in a file; it is read-only
{{- else if eq $about.type "bool" -}}
{{- if not (regexMatch "(?i)^([[ parameter_values.BOOLEANS ]])$" $text) -}}
{{- $allowed = "on or off" -}}
{{- end -}}
{{- else if eq $about.type "enum" -}}
{{- $given := dict "text" (lower $text) "found" false -}}
{{- range concat $about.values $about.also -}}
{{- if eq (lower .) $given.text -}}
{{- $_ := set $given "found" true -}}
{{- end -}}
{{- end -}}
{{- if not $given.found -}}
{{- $allowed = include "[[ prefix ]].orList" $about.values -}}
{{- end -}}
{{- else if ne $about.type "string" -}}
{{- $number := include "[[ prefix ]].parameterNumber" . -}}
{{- if or (not $number) (lt (float64 $number) (float64 $about.least)) (gt (float64 $number) (float64 $about.most)) -}}
{{- $allowed = include "[[ prefix ]].parameterRange" $about -}}
{{- end -}}
{{- end -}}
{{- with $allowed -}}
{{ $text | quote }} is not allowed; {{ . }}
{{- end -}}
{{- end }}

{{/* Why a database can't have a setting; empty if it can. Takes a list: the root context, name, value. */}}
{{- define "[[ prefix ]].wrongSetting" -}}
{{- $name := lower (index . 1) -}}
{{- $value := index . 2 -}}
{{- if not (or (kindIs "invalid" $value) (contains "." $name)) -}}
{{- $root := index . 0 -}}
{{- $text := include "[[ prefix ]].parameterText" $value -}}
{{- $known := $root.Files.Get "files/parameters.json" | fromJson -}}
{{- if not (hasKey $known $name) -}}
unknown parameter of PostgreSQL [[ profile.major ]]; allowed are those in the chart's files/parameters.json, and extensions' parameters, with a dot in the name
{{- else if not (has (get $known $name).context (list [% for context in session %]"[[ context ]]" [% endfor %])) -}}
can't be set for one database; the whole server has one value
[% set bound = restrictions.SYNCHRONOUS_COMMIT %]
{{- else if and (eq $name "synchronous_commit") (eq $root.Values.replication.mode "synchronous") (not (regexMatch "^[[ bound.pattern ]]$" $text)) -}}
{{ $text | quote }} is not allowed with replication.mode synchronous; [[ bound.words ]]: [[ bound.why ]]
{{- else -}}
{{- include "[[ prefix ]].wrongParameter" (list (get $known $name) $text) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The units that a parameter takes, as a list. Takes what files/parameters.json says of it. */}}
{{- define "[[ prefix ]].parameterUnits" -}}
{{- $found := list -}}
{{- if .unit -}}
[% for kind in ["integer", "real"] %]
{{- [[ "else " if not loop.first ]]if eq .type "[[ kind ]]" -}}
{{- $found = hasSuffix "B" .unit | ternary (list [% for unit in parameter_values.units(kind, "kB", profile.major) %]"[[ unit ]]" [% endfor %]) (list [% for unit in parameter_values.units(kind, "ms", profile.major) %]"[[ unit ]]" [% endfor %]) -}}
[% endfor %]
{{- end -}}
{{- end -}}
{{- $found | toJson -}}
{{- end }}

{{/* A text as a number in its parameter's unit; empty if it is none. Takes a list as wrongParameter does. */}}
{{- define "[[ prefix ]].parameterNumber" -}}
{{- $about := index . 0 -}}
{{- $integer := eq $about.type "integer" -}}
{{- $units := include "[[ prefix ]].parameterUnits" $about | fromJsonArray -}}
{{- $form := printf ($integer | ternary `^[[ parameter_values.form("integer", ["%s"], profile.major) ]]$` `^[[ parameter_values.form("real", ["%s"], profile.major) ]]$`) (join "|" $units) -}}
{{- if regexMatch $form (index . 1) -}}
{{- $digits := regexReplaceAll $form (index . 1) "${2}" | lower -}}
{{- $base := hasPrefix "0x" $digits | ternary 16 (and $integer (regexMatch "^0[0-7]+$" $digits) | ternary 8 0) -}}
{{- $value := 0.0 -}}
{{- if $base -}}
{{- range trimPrefix "0x" $digits | splitList "" -}}
{{- $value = addf (mulf $value $base) (dict "a" 10 "b" 11 "c" 12 "d" 13 "e" 14 "f" 15 | dig . (int .)) -}}
{{- end -}}
{{- else -}}
{{- $value = float64 $digits -}}
{{- end -}}
{{- with regexReplaceAll $form (index . 1) "${3}" -}}
{{- $factors := dict [% for factors in [parameter_values.MEMORY, parameter_values.TIME] %][% for unit, factor in factors.items() %]"[[ unit ]]" [[ factor ]] [% endfor %][% endfor %] -}}
{{- $bare := mulf (regexFind "^[0-9]+" $about.unit | default "1" | float64) (regexFind "[A-Za-z]+$" $about.unit | get $factors) -}}
{{- $value = divf (mulf $value (get $factors .)) $bare -}}
{{- end -}}
{{- if $integer -}}
{{- $value = [[ "floor $value" if profile.major == parameter_values.FORMER else "round $value 0" ]] -}}
{{- end -}}
{{- eq (regexReplaceAll $form (index . 1) "${1}") "-" | ternary (mulf $value -1) $value -}}
{{- end -}}
{{- end }}

{{/* In words, which numbers a parameter takes. */}}
{{- define "[[ prefix ]].parameterRange" -}}
{{- eq .type "integer" | ternary "a whole number" "a number" }} from {{ .least }} to {{ .most -}}
{{- with .unit }} in {{ regexMatch "^[0-9]" . | ternary "units of " "" }}{{ . }}{{ end -}}
{{- with include "[[ prefix ]].parameterUnits" . | fromJsonArray }}, or one with {{ include "[[ prefix ]].orList" . }}{{ end -}}
{{- end }}

{{/* A list in words: a, b or c. */}}
{{- define "[[ prefix ]].orList" -}}
{{- $words := list -}}
{{- range . -}}
{{- $words = append $words (. | default "\"\"") -}}
{{- end -}}
{{- gt (len $words) 1 | ternary (printf "%s or %s" (initial $words | join ", ") (last $words)) (first $words) -}}
{{- end }}
