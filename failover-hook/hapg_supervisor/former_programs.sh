#!/bin/bash
# Copy the programs of this image's PostgreSQL to a directory from which they run in the image of another major. It runs in an init container
# of the former major's image.
#
# That image may have another C library than the new major's, so each program is started with its own dynamic loader and its own libraries.
# Programs, libraries and shared files keep their places relative to each other, by which PostgreSQL finds them.
set -eu

bin=$1 target=$2 # the directory of the programs; an empty directory, mounted where the programs will run
name=${bin#/usr/lib/postgresql/}
major=${name%/bin}
if [[ $bin != /usr/lib/postgresql/*/bin || ! -x $bin/postgres || ! -d /usr/share/postgresql/$major ]]; then
    echo "this image does not have PostgreSQL $major in /usr/lib/postgresql and /usr/share/postgresql, as the stock image has" >&2
    exit 1
fi
shopt -s dotglob nullglob
rm -rf "${target:?}"/*
mkdir -p "$target/lib" "$target/usr/share/postgresql" "$target/usr/lib/postgresql/$major"/{bin,lib}
cp -R "/usr/share/postgresql/$major" "$target/usr/share/postgresql/"
libraries=()
for library in "/usr/lib/postgresql/$major/lib"/*.so; do
    [[ ${library##*/} == llvmjit* ]] || libraries+=("$library") # the compiler of expressions: large, and not needed
done
cp "${libraries[@]}" "$target/usr/lib/postgresql/$major/lib/"
loader=
for program in postgres pg_ctl pg_controldata pg_resetwal pg_dump pg_dumpall psql; do
    [[ -x $bin/$program ]] || continue # pg_resetwal has another name in 9.6, and nothing asks for it
    cp "$bin/$program" "$target/usr/lib/postgresql/$major/bin/$program.program"
done
while read -r first arrow path _; do
    if [[ $arrow == '=>' && $path == /* ]]; then
        cp -L "$path" "$target/lib/"
    elif [[ $first == /*/ld-* ]]; then
        loader=${first##*/}
        cp -L "$first" "$target/lib/"
    fi
done < <(ldd "$bin"/{postgres,pg_ctl,pg_controldata,pg_dump,pg_dumpall,psql} "${libraries[@]}" 2>/dev/null | sort -u)
if [[ ! $loader ]]; then
    echo "this image's dynamic loader was not found" >&2
    exit 1
fi
for file in "$target/usr/lib/postgresql/$major/bin"/*.program; do
    program=${file%.program}
    printf '#!/bin/bash\nexec %q --library-path %q --argv0 %q %q "$@"\n' "$target/lib/$loader" "$target/lib" "$program" "$file" >"$program"
    chmod 0755 "$program"
done
"$target/usr/lib/postgresql/$major/bin/postgres" -V
