"""The client's import stays lean; measured in a process of its own, as an agent starts."""

from __future__ import annotations

import subprocess
import sys

RSS_MIB_MAX = 58
"""44 to 47 MiB here; with the generated models 103."""

PROBE = """
import sys
import msgspec
from shoal.kube.client import credentials, member, reflector, transport
heavy = [name for name in sys.modules if name.startswith("kubernetes_asyncio.client.models.") or name.startswith("kubernetes_asyncio.client.api.")]
rss = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(len(heavy), rss // 1024)
"""


def test_no_generated_model_is_loaded_and_the_memory_stays_small() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], check=True, capture_output=True, text=True)
    heavy, rss_mib = map(int, done.stdout.split())
    assert heavy == 0
    assert rss_mib <= RSS_MIB_MAX
