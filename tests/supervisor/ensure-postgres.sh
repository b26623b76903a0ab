#!/bin/bash
# Ensure that PostgreSQL 15's server binaries and libnss_wrapper are installed, as in the stock image; the tests in this
# directory run them.
set -eu

bin=/usr/lib/postgresql/15/bin
if [[ -x $bin/postgres && -x $bin/pg_rewind && -x $bin/pg_waldump ]] && compgen -G '/usr/lib/*/libnss_wrapper.so' >/dev/null; then
    exit 0
fi
if ! command -v apt-get >/dev/null || [[ $(id -u) -ne 0 ]]; then
    echo "tests/supervisor needs PostgreSQL 15 in $bin; install Debian's postgresql-15 and libnss-wrapper" >&2
    exit 1
fi
# Otherwise the package would start a server.
mkdir -p /etc/postgresql-common
if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-15 libnss-wrapper
[[ -x $bin/postgres ]]
