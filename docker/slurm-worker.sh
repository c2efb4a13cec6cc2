#!/bin/bash
# A Slurm job whose worker takes jobs from a server over HTTP until its allocation ends (docs/clusters.md).
#   sbatch --array=1-40 --export=ALL,NASBENCH_SERVER=https://nas.lab.example docker/slurm-worker.sh
#SBATCH --job-name=nbs-worker
#SBATCH --time=24:00:00
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
set -u
export NASBENCH_JOBS_DIR="${TMPDIR:-/tmp}/nbs-${SLURM_JOB_ID}"
export NASBENCH_DATASETS_DIR="${NASBENCH_DATASETS_DIR:-$HOME/datasets}"
nbs worker --server "$NASBENCH_SERVER" --key-file "${NASBENCH_KEY:-$HOME/.nbs-worker-key}" \
    --idle-exit 10m --time-limit 24h --drain-before-limit 5m "$@" &
worker=$!
# Slurm signals the shell, which forwards the signal. Each signal interrupts `wait`, so the loop below repeats it.
trap 'kill -USR1 "$worker"' USR1
trap 'kill -TERM "$worker"' TERM
wait "$worker"; status=$?
while kill -0 "$worker" 2>/dev/null; do wait "$worker"; status=$?; done
rm -rf "$NASBENCH_JOBS_DIR"
exit "$status"
