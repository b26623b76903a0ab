#!/bin/sh
# unpack-pgbackrest.sh ROOT TARGET: copies pgBackRest from a Debian in ROOT, where its package is installed, to the new directory TARGET,
# with all libraries that it needs, the C library included. So it runs on any base image, and neither Perl nor PostgreSQL come with it.
# `TARGET/pgbackrest` starts it. It keeps that name for itself (--argv0), because it starts its helpers by it.
set -eu
root=$1 target=$2
libraries=$(chroot "${root:-/}" ldd /usr/bin/pgbackrest | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) .*/\1/p')
mkdir -p "$target/lib"
cp "$root/usr/bin/pgbackrest" "$target/program"
cp "$root/etc/ssl/certs/ca-certificates.crt" "$target/ca-certificates.crt"
for library in $libraries; do cp -L "$root$library" "$target/lib/"; done
cat >"$target/pgbackrest" <<'START'
#!/bin/sh
here=${0%/*}
exec "$here"/lib/ld-linux*.so.? --library-path "$here/lib" --argv0 "$0" "$here/program" "$@"
START
chmod 755 "$target/pgbackrest"
"$target/pgbackrest" version
