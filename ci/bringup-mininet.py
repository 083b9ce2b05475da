"""Brings hosts up on one Linux bridge by Mininet, and takes them down again.

Prints when they were up, in microseconds since 1970, and how many microseconds Mininet itself took to bring them up and to take them down.
"""

import subprocess
import sys
import time

from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import SingleSwitchTopo

setLogLevel("error")
hosts = int(sys.argv[1])
begun = time.monotonic()
net = Mininet(topo=SingleSwitchTopo(hosts), switch=LinuxBridge, controller=None, waitConnected=False)
net.start()
up, ready = time.monotonic() - begun, time.time()
first, last = net.hosts[0], net.hosts[-1]
if " 0% packet loss" not in first.cmd(f"ping -c 1 -W 3 {last.IP()}"):
    print(f"{first} does not reach {last}", file=sys.stderr)
subprocess.run(
    ["ip", "link", "add", "canary", "type", "veth", "peer", "name", "leg", "netns", str(last.pid)], check=True
)
begun = time.monotonic()
net.stop()
print(round(ready * 1e6), round(up * 1e6), round((time.monotonic() - begun) * 1e6))
