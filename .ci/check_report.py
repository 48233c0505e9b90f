#!/usr/bin/env python3
"""Checks that `rtbench run` wrote everything it promises, and that it parses.

    .ci/check_report.py FOLDER [tokio_unstable]

FOLDER holds exactly one report; with the second argument, one of runs on a Tokio that was built with that cfg. Says what
is wrong and exits with 1 if anything is.
"""

import base64
import html.parser
import json
import pathlib
import struct
import sys
import xml.etree.ElementTree
import zlib

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
# Cookies of the HdrHistogram V2 format, without the four bits that give the word size.
DEFLATED, PLAIN, COOKIE_MASK = 0x1C849304, 0x1C849303, ~0xF0


def check(condition, text):
    if not condition:
        sys.exit(f"report: {text}")


class Page(html.parser.HTMLParser):
    """Demands that tags are balanced and that nothing is loaded from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.seen = set()

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        for name, value in attributes:
            loads = name == "src" or (name in ("href", "xlink:href") and tag != "a")
            check(not loads or (value or "").startswith(("data:", "#")), f"index.html loads {value!r}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        check(self.open and self.open[-1] == tag, f"index.html: </{tag}> at {self.getpos()} closes {self.open[-1:]}")
        self.open.pop()


def check_page(path):
    page = Page()
    page.feed(path.read_text("utf-8"))
    page.close()
    check(not page.open, f"index.html leaves open: {page.open}")
    check({"html", "title", "svg", "table"} <= page.seen, f"index.html lacks parts, has {sorted(page.seen)}")


def check_log(path, streams):
    """Each line's histogram must be intact; each stream must have lines."""
    lines = path.read_text("utf-8").splitlines()
    check(lines[:1] and lines[0].startswith("#["), "latency.hlog has no header")
    check(any(line.startswith('#"StartTimestamp","Interval_Length"') for line in lines), "latency.hlog has no legend")
    tags = set()
    for line in lines:
        if line.startswith("#"):
            continue
        fields = line.split(",")
        tags.add(fields.pop(0).removeprefix("Tag=") if line.startswith("Tag=") else None)
        check(len(fields) == 4, f"latency.hlog: {len(fields)} fields in {line[:60]!r}")
        packed = base64.b64decode(fields[3], validate=True)
        cookie, length = struct.unpack_from(">II", packed)
        check(cookie & COOKIE_MASK == DEFLATED & COOKIE_MASK, f"latency.hlog: cookie {cookie:#x}")
        check(length == len(packed) - 8, f"latency.hlog: {length} bytes announced, {len(packed) - 8} there")
        inner = struct.unpack_from(">I", zlib.decompress(packed[8:]))[0]
        check(inner & COOKIE_MASK == PLAIN & COOKIE_MASK, f"latency.hlog: inner cookie {inner:#x}")
    check(len(tags) == streams and None in tags, f"latency.hlog: tags {tags} for {streams} streams")


def check_unstable(name, workload):
    """What Tokio counts only with `--cfg tokio_unstable`, and that it was asked for one of its unstable knobs."""
    engine, runtime = workload["engine"], workload["runtime"]
    check((engine["name"], engine["build"]) == ("tokio", "tokio_unstable"), f"{name}: ran on {engine}")
    check(workload["plan"]["runtime"]["lifo_slot"] is False, f"{name}: {workload['plan']['runtime']}")
    for histogram in ("poll_time", "schedule_latency"):
        figures = runtime["histograms"].get(histogram, {"count": 0})
        check(figures["count"] > 0 and figures["max"] > 0, f"{name}: {histogram}: {figures}")
    check(sum(worker["polls"] for worker in runtime["workers"]) > 0, f"{name}: no polls")
    for counter in ("parks", "noop_parks", "stolen_tasks", "steal_operations", "local_schedules", "overflows", "busy_ns"):
        check(all(counter in worker for worker in runtime["workers"]), f"{name}: no {counter}")
    check(runtime["global"]["spawned_tasks"] > 0, f"{name}: {runtime['global']}")
    for level in ("local_queues", "blocking_queue", "mean_poll_ns"):
        check(level in runtime["levels"], f"{name}: no level {level}")


def main(folder, cfg=None):
    reports = sorted(folder.iterdir())
    check(len(reports) == 1, f"one report expected in {folder}: {[path.name for path in reports]}")
    report = reports[0]
    document = json.loads((report / "report.json").read_text("utf-8"))
    check(document["schema"] == "rtbench-report" and document["version"] == 1, "report.json: unknown format")
    check(document["status"] == "complete", f"report.json: status {document['status']}")
    check(document["machine"]["logical_cores"] and document["profile"]["effective"], "report.json: no surroundings")
    expected = {"index.html", "latency.hlog", "report.json"}
    streams = 0
    for workload in document["workloads"]:
        name = workload["name"]
        counts = workload["counts"]
        check(counts["completed"] > 0, f"{name}: nothing completed")
        check(counts["planned"] == counts["started"] + counts["dropped"] + counts["not_started"], f"{name}: {counts}")
        check(counts["started"] == counts["completed"] + counts["failed"] + counts["unfinished"], f"{name}: {counts}")
        check(workload["series"] and workload["runtime"]["workers"], f"{name}: no series, or no counters")
        if cfg == "tokio_unstable":
            check_unstable(name, workload)
        for stream in workload["streams"]:
            check(stream["count"] > 0, f"{name}: no sample of {stream['name']}")
            check(sum(part["streams"][workload["streams"].index(stream)]["count"] for part in workload["series"])
                  == stream["count"], f"{name}: the slices of {stream['name']} do not add up")
        streams += len(workload["streams"])
        kinds = {stream["unit"] for stream in workload["streams"]}
        check(workload["runtime"]["levels"], f"{name}: the runtime told nothing of its queues")
        expected |= {f"{workload['slug']}.over-time.svg", f"{workload['slug']}.runtime.svg"}
        expected |= {f"{workload['slug']}.percentiles.svg"} if "nanoseconds" in kinds else set()
        expected |= {f"{workload['slug']}.percentiles-count.svg"} if "count" in kinds else set()
    found = {path.name for path in report.iterdir()}
    check(found == expected, f"files: missing {expected - found}, not promised {found - expected}")
    for plot in report.glob("*.svg"):
        root = xml.etree.ElementTree.parse(plot).getroot()
        check(root.tag == "{http://www.w3.org/2000/svg}svg", f"{plot.name} is a {root.tag}")
        check(any(part.tag.endswith("}text") for part in root.iter()), f"{plot.name} has no text")
    check_page(report / "index.html")
    check_log(report / "latency.hlog", streams)
    print(f"report: {len(found)} files, {streams} streams, all in order")


if __name__ == "__main__":
    check(len(sys.argv) in (2, 3), "say which folder")
    main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
