#!/bin/sh
# Serves the databases of the data volume, or the synthetic sample of the image if there is none.
set -eu

has_database() {
  for file in "$1"/*.db; do
    [ -e "$file" ] && return 0
  done
  return 1
}

if ! has_database "$NASBENCHMARK_DIR"; then
  echo "no database in $NASBENCHMARK_DIR: serving a SYNTHETIC sample until one is generated and the server is restarted" >&2
  NASBENCHMARK_DIR=/opt/sample
  export NASBENCHMARK_DIR
fi
exec nbs serve "$@"
