#!/bin/bash
# Makes up the passwords of the profiles `cluster` and `observe` and writes them as files, which are
# mounted where they are needed and are in no environment and no image. Files that are there stay,
# so that it can be run again; docs/operations.md says how to replace one.
#
#   docker/make-secrets.sh [FOLDER]     docker/secrets by default, NASBENCH_SECRETS of .env otherwise
set -euo pipefail

folder=${1:-$(dirname "$0")/secrets}
# The folder is closed to other users of this machine; the files are open, because the users inside
# of the containers are others than the one who runs this.
umask 022
mkdir -p "$folder/nbs"
chmod 700 "$folder"
chmod 755 "$folder/nbs"

password() { python3 -c 'import secrets; print(secrets.token_urlsafe(32), end="")'; }
keep() { [ -s "$folder/$1" ] || printf '%s' "$2" >"$folder/$1"; }

keep postgres_password "$(password)"
keep grafana_password "$(password)"
keep redis_conf "bind * -::*
protected-mode yes
save \"\"
appendonly no
maxmemory 256mb
maxmemory-policy volatile-lru
dir /data
requirepass $(password)
"
keep nbs/nasbench_jobs_url "postgresql://nbs:$(cat "$folder/postgres_password")@postgres:5432/nbs"
keep nbs/nasbench_redis_url "redis://:$(sed -n 's/^requirepass //p' "$folder/redis_conf")@redis:6379/0"
echo "secrets are in $folder" >&2
