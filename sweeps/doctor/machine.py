"""Installation, devices, memory, and the programs that metrics and plots need."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator

from sweeps.doctor.finding import Finding
from sweeps.provenance import PACKAGES, package_version

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def check_machine() -> Iterator[Finding]:
    """Look at what is installed and at hand; nothing is loaded onto a device."""
    yield _installation()
    yield from _devices()
    yield _java()
    yield _browser()


def _installation() -> Finding:
    versions = {name: package_version(name) for name in PACKAGES}
    missing = [name for name, version in versions.items() if version == "not installed"]
    if missing:
        return Finding("wrong", "installation", f"not installed: {', '.join(missing)}; pip install frontune")
    return Finding("ok", "installation", ", ".join(f"{name} {v}" for name, v in versions.items()))


def _devices() -> Iterator[Finding]:
    import torch

    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        yield Finding("ok", f"cuda:{number}", f"{name}, {_gib(free)} of {_gib(total)} free")
    pages, size = os.sysconf("SC_AVPHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * size
    said = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads of torch, "
    yield Finding("ok", "cpu", f"{said}{_gib(pages * size)} of {_gib(total)} free")


def _java() -> Finding:
    java = shutil.which("java")
    if java is None:
        return Finding("note", "Java", "absent: METEOR and the PTB tokenizer are reported as missing")
    if importlib.util.find_spec("pycocoevalcap") is None:
        return Finding("note", "Java", "present, but not pycocoevalcap (pip install 'frontune[nlg]')")
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("wrong", "Java", f"{java} does not run: {error}")
    if done.returncode:
        return Finding("wrong", "Java", f"{java} ends with code {done.returncode}")
    return Finding("ok", "Java", (done.stderr or done.stdout).splitlines()[0])


def _browser() -> Finding:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        return Finding("note", "Chrome", "absent: plots can be written as .html alone")
    return Finding("ok", "Chrome", found)


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f} GiB"
