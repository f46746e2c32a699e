#!/usr/bin/python3
"""table.py RATES BUSY_KB IDLE_KB OUT: medians over the rounds, side by side, with the floors; JSON to OUT."""
import json
import statistics
import sys

CREATE_FLOOR = 0.60
MEMORY_FLOOR_MB = 40


def main(rates_path, busy_kb, idle_kb, out_path):
    with open(rates_path, encoding="utf-8") as file:
        rates = json.load(file)
    sides = {}
    for rate in rates:
        sides.setdefault((rate["operation"], rate["at_a_time"], rate["side"]), []).append(rate)
    print(f"{'operation':10} {'at a time':>9}  {'side':22} {'per second':>10} {'p50 ms':>8} {'p99 ms':>8}")
    for (operation, at_a_time, side), rounds in sides.items():
        median = {key: statistics.median(r[key] for r in rounds) for key in ("per_second", "p50_ms", "p99_ms")}
        print(
            f"{operation:10} {at_a_time:9}  {side:22} {median['per_second']:10.0f} "
            f"{median['p50_ms']:8.1f} {median['p99_ms']:8.1f}"
        )
    ratios = {}
    for at_a_time in (1, 16):
        pairs = zip(sides["create", at_a_time, "CreateVolume"], sides["create", at_a_time, "librbd"])
        ratios[at_a_time] = statistics.median(ours["per_second"] / bare["per_second"] for ours, bare in pairs)
        print(f"CreateVolume / bare create, {at_a_time} at a time: {ratios[at_a_time]:.2f} (floor {CREATE_FLOOR})")
    volumes = sum(rate["count"] for rate in rates if rate["side"] == "CreateVolume")
    busy_mb, idle_mb = int(busy_kb) / 1024, int(idle_kb) / 1024
    print(
        f"resident memory of berth-controller after {volumes} volumes made and deleted: "
        f"{busy_mb:.0f} MB at once, {idle_mb:.0f} MB when idle (at most {MEMORY_FLOOR_MB})"
    )
    with open(out_path, "w", encoding="utf-8") as file:
        json.dump(
            {"rates": rates, "create_ratio": ratios, "resident_busy_mb": busy_mb, "resident_idle_mb": idle_mb},
            file,
            indent=1,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
