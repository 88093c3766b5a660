#!/usr/bin/env bash
# Measures what the tables of README.md and docs/benchmarks.md state, with notes on the machine, as Markdown on stdout:
#
#   benches/measure.sh [engine] [fit] [whole] [sweep] [inflation] [live] > benches/results/DATE.md
#
# Without a word all of them (half an hour on two cores). Leave the machine alone meanwhile; what shares its caches shows.
set -euo pipefail
cd "$(dirname "$0")/.."
parts=("${@:-all}")
wanted() { [[ " ${parts[*]} " == *" $1 "* || "${parts[*]}" == all ]]; }
cloudai=target/release/cloudai
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
TIMEFORMAT='wall %R s, user %U s, kernel %S s'

echo "# Measured on $(date -u +%Y-%m-%d)"
echo
echo "- commit: $(git rev-parse --short HEAD)$(git diff --quiet HEAD -- || echo ', with changes')"
echo "- processor: $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(nproc) cores; memory: $(free -g | awk '/Mem/{print $2}') GiB"
echo "- system: $(. /etc/os-release && echo "$PRETTY_NAME"), $(rustc --version)"
echo "- load when it began: $(cut -d' ' -f1-3 /proc/loadavg)"

section() { printf '\n## %s\n\n```text\n' "$1"; }
close() { echo '```'; }

if wanted engine; then
    section "cargo bench --bench engine"
    cargo bench -q --bench engine -- --rounds 5
    close
fi
if wanted fit; then
    section "cargo bench --bench fit"
    cargo bench -q --bench fit -- --rounds 2
    close
fi
if wanted live; then
    section "cargo bench --bench live"
    cargo bench -q --bench live
    if [ -n "${MONGO_URI-}" ]; then
        cargo bench -q --bench live -- --mongo "$MONGO_URI"
    fi
    close
fi
if wanted whole || wanted sweep || wanted inflation; then
    cargo build -q --release
fi
if wanted whole; then
    section "10 million tasks on 1,000 workers: read, check, simulate, metrics, assignments.csv"
    "$cloudai" generate uniform --tasks 10000000 --workers 1000 --seed 1 --out "$place/big" > /dev/null
    { time "$cloudai" simulate "$place/big" --strategy fcfs --no-plots --jobs 1 --out "$place/big-report" > /dev/null 2> "$place/log"; } 2>&1 &
    wait $!
    rm -r "$place/big" "$place/big-report"
    close
fi
if wanted sweep; then
    # 1,000 cells: 50 seeds x 4 loads x 5 strategies.
    cat > "$place/e.toml" <<'END'
seeds = "1..=50"
loads = [0.7, 0.8, 0.9, 1.0]
strategies = ["fcfs", "first_fit", "best_fit", "easy", "queue(order=sjf,backfill=easy)"]
[[scenarios]]
preset = "diurnal"
tasks = 20000
workers = 20
END
    section "1,000 cells of 20,000 tasks: one thread, two threads, and two killed five times at random"
    run() { "$cloudai" sweep "$place/e.toml" --no-plots --out "$@" > "$place/log" 2>&1; }
    for jobs in 1 2; do
        echo "--jobs $jobs"
        time run "$place/calm$jobs" --jobs "$jobs"
    done 2>&1
    for kill in 1 2 3 4 5; do
        "$cloudai" sweep "$place/e.toml" --no-plots --jobs 2 --out "$place/killed" > "$place/log" 2>&1 &
        sleep "$((RANDOM % 2)).$((RANDOM % 900 + 100))"
        kill -KILL $! && echo "killed with $(wc -l < "$place/killed/journal.jsonl") lines in the journal"
        wait $! 2> /dev/null || true
    done
    run "$place/killed" --jobs 2
    cmp "$place/calm1/results.csv" "$place/calm2/results.csv" && echo "one thread and two: the same table"
    cmp "$place/calm1/results.csv" "$place/killed/results.csv" && echo "killed five times and resumed: the same table, byte for byte"
    close
fi
if wanted inflation && [[ -n "${CLOUDAI_DATA_DIR:-}" ]]; then
    section "workloads/experiments/inflation.toml: 6 policies x 10 seeds, with its report and figures"
    mkdir "$place/atc"
    cp workloads/experiments/inflation.toml "$place/atc/"
    ln -s "$CLOUDAI_DATA_DIR/openb" "$place/atc/openb"
    for jobs in 1 2; do
        echo "--jobs $jobs"
        time "$cloudai" sweep "$place/atc/inflation.toml" --jobs "$jobs" --out "$place/atc/out$jobs" > "$place/log" 2>&1
    done 2>&1
    close
fi
