#!/bin/bash
# Generates the passwords of the profiles `cluster` and `observe` as files, in one folder per service, which only that
# service mounts; they are in no environment and no image. Existing files are kept, so the script can be run again.
# docs/operations.md says how to replace a password.
#
#   docker/make-secrets.sh [FOLDER]     docker/secrets by default, NASBENCH_SECRETS of .env otherwise
set -euo pipefail

folder=${1:-$(dirname "$0")/secrets}

fail() {
  echo "make-secrets: $1" >&2
  exit 1
}

# Other users of this machine cannot enter the folder. The files are readable by all, because containers run under
# other user ids than this script.
umask 022
for service in nbs postgres redis grafana; do
  mkdir -p "$folder/$service" || fail "cannot make $folder/$service"
  chmod 700 "$folder" && chmod 755 "$folder/$service" || fail "$folder belongs to another user"
done

password() { python3 -c 'import secrets; print(secrets.token_urlsafe(32), end="")'; }

# Fails unless the path of a secret is free or a readable file.
check_place() {
  local path=$folder/$1
  if [ -e "$path" ] && [ ! -f "$path" ]; then
    fail "$path is no file; remove it and run this again"
  elif [ -f "$path" ] && [ ! -r "$path" ]; then
    fail "$path cannot be read"
  fi
}

# Writes a secret completely or not at all: a failed write leaves no empty file.
put() {
  [ -n "$2" ] || fail "no content for $folder/$1"
  local part
  part=$(mktemp "$folder/.part.XXXXXX") || fail "cannot write to $folder"
  if printf '%s' "$2" >"$part" && chmod 644 "$part" && mv -fT "$part" "$folder/$1"; then return; fi
  rm -f "$part"
  fail "cannot write $folder/$1"
}

keep() {
  check_place "$1"
  [ -s "$folder/$1" ] || put "$1" "$2"
}

new=$(password) && [ ${#new} -ge 32 ] || fail 'cannot generate a password: is python3 installed?'
keep postgres/password "$new"
new=$(password)
keep grafana/password "$new"
new=$(password)
keep redis/redis.conf "bind * -::*
protected-mode yes
save \"\"
appendonly no
maxmemory 256mb
maxmemory-policy volatile-lru
dir /data
requirepass $new
"

postgres=$(cat "$folder/postgres/password")
redis=$(sed -n 's/^requirepass //p' "$folder/redis/redis.conf")
[ -n "$postgres" ] || fail "$folder/postgres/password holds no password"
[ -n "$redis" ] || fail "$folder/redis/redis.conf has no line \`requirepass PASSWORD\`"

# Writes an address with the present password. An address of another form is kept: it names another server.
address() {
  local path=$folder/$1 start=$2 password=$3 end=$4
  check_place "$1"
  if [ -s "$path" ]; then
    case $(cat "$path") in
      "$start$password$end") return ;;
      "$start"*"$end") echo "make-secrets: $path had another password and is rewritten" >&2 ;;
      *) return ;;
    esac
  fi
  put "$1" "$start$password$end"
}

address nbs/nasbench_jobs_url 'postgresql://nbs:' "$postgres" '@postgres:5432/nbs'
address nbs/nasbench_redis_url 'redis://:' "$redis" '@redis:6379/0'
echo "secrets are in $folder" >&2
