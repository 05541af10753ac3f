#!/bin/sh
# Makes the secrets that docker-compose.yml reads, one file for each group of readers, in deploy/secrets (or the folder given). What is there stays.
# To change one: edit its file, then `docker compose up -d`. The password of ClickHouse is the one of its first start.
set -eu
umask 077
dir=${1:-$(dirname "$0")/secrets}
mkdir -p "$dir"

hex() { head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
secret() { # FILE LINE...
	file=$dir/$1
	shift
	[ -e "$file" ] && return
	printf '%s\n' "$@" >"$file.new"
	mv "$file.new" "$file"
	echo "made $file"
}

secret api.env "ADMIN_API_KEY=$(hex 32)"
secret gateway.env "GATEWAY_JWT_SECRET=$(hex 32)"
secret callbacks.env "CALLBACK_SIGNING_SECRETS=whsec_$(head -c 32 /dev/urandom | base64 | tr -d '\n')"
secret clickhouse.env "CLICKHOUSE_PASSWORD=$(hex 32)"
secret grafana.env "GF_SECURITY_ADMIN_PASSWORD=$(hex 16)"
