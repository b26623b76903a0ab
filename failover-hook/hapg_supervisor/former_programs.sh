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
# The new image's libnss_wrapper, which names a user ID without an entry in /etc/passwd, may need a later C library than this one.
wrapper=$target/lib/libnss_wrapper.so
for library in {/usr,}/lib{/*,}/libnss_wrapper.so; do
    if [[ -s $library ]]; then
        cp -L "$library" "$wrapper"
        libraries+=("$wrapper")
        break
    fi
done
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
named=
if [[ -e $wrapper ]]; then named=$wrapper; fi
for file in "$target/usr/lib/postgresql/$major/bin"/*.program; do
    program=${file%.program}
    {
        # shellcheck disable=SC2016 # the program expands it
        printf '#!/bin/bash\nif [[ ${LD_PRELOAD-} == *libnss_wrapper* ]]; then LD_PRELOAD=%q; fi\n' "$named"
        printf 'exec %q --library-path %q --argv0 %q %q "$@"\n' "$target/lib/$loader" "$target/lib" "$program" "$file"
    } >"$program"
    chmod 0755 "$program"
done
"$target/usr/lib/postgresql/$major/bin/postgres" -V
