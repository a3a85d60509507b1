#!/bin/sh
# Starts PostgreSQL as the official image's entry script does, as far as tests rely on it:
#
#   POSTGRES_PASSWORD          the superuser's password; must be given ...
#   POSTGRES_HOST_AUTH_METHOD  ... unless this is trust; default scram-sha-256
#   POSTGRES_USER              the superuser's name; default postgres
#   POSTGRES_DB                a database made at the first start; default: the user's name
#   POSTGRES_INITDB_ARGS       more words for initdb
#   PGDATA                     the data directory; one with a cluster in it is used as it is
#
# Words that begin with a dash are handed to postgres; another command is run as it is.
set -eu

case "${1:-}" in
-*) set -- postgres "$@" ;;
esac
[ "${1:-}" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    # PostgreSQL refuses to run as root. Each of these programs takes the place of the one
    # before it, so that signals for the container's first process reach the server.
    mkdir -p "$PGDATA"
    chown postgres:postgres "$PGDATA"
    chmod 700 "$PGDATA"
    # shellcheck disable=SC2016 # the inner shell expands it
    exec su -s /bin/sh -c 'exec "$@"' -- postgres sh "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    password_file=
    if [ -n "${POSTGRES_PASSWORD:-}" ]; then
        # A file, as everybody can read a command line.
        umask 077
        password_file=$(mktemp)
        printf '%s\n' "$POSTGRES_PASSWORD" >"$password_file"
    elif [ "$method" != trust ]; then
        echo "The database is not initialised and its superuser has no password: set" \
            "POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust to let everybody in." >&2
        exit 1
    fi

    # shellcheck disable=SC2086 # several words
    initdb --pgdata="$PGDATA" --username="$user" ${password_file:+--pwfile="$password_file"} \
        --auth-local=trust --auth-host="$method" --set=listen_addresses='*' --encoding=UTF8 \
        --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8 --no-sync \
        ${POSTGRES_INITDB_ARGS:-}
    [ -z "$password_file" ] || rm "$password_file"
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"

    if [ "$database" != postgres ]; then
        # Without TCP: nobody outside may take this server, which is about to be stopped,
        # for the one that they wait for.
        pg_ctl --pgdata="$PGDATA" --wait --silent --options="-c listen_addresses=''" start
        echo 'CREATE DATABASE :"name";' |
            psql --username="$user" --dbname=postgres --no-psqlrc --quiet \
                --set=ON_ERROR_STOP=1 --set=name="$database"
        pg_ctl --pgdata="$PGDATA" --wait --silent --mode=fast stop
    fi
fi

exec "$@"
