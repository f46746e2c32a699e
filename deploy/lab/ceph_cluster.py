#!/usr/bin/python3
"""The two steps of making the lab's Ceph cluster that talk to its monitor.

ceph_cluster.py register-osds CONF UUID...   tells the monitor of OSDs 0, 1 and so on before they start
ceph_cluster.py make-pool CONF NAME OSDS     makes a pool ready for RBD and waits until that many OSDs serve it
"""

import json
import sys
import time

import rados
import rbd

TIMEOUT_S = 60


def command(cluster, **arguments):
    code, output, message = cluster.mon_command(json.dumps(arguments), b"")
    if code:
        raise SystemExit(f"ceph {arguments['prefix']}: {message} ({code})")
    return output


def osds_up(cluster):
    return json.loads(command(cluster, prefix="osd stat", format="json")).get("num_up_osds", 0)


def make_pool(cluster, pool, osds):
    command(cluster, prefix="osd pool create", pool=pool, pg_num=8)
    command(cluster, prefix="osd pool application enable", pool=pool, app="rbd")
    deadline = time.monotonic() + TIMEOUT_S
    while osds_up(cluster) < osds:
        if time.monotonic() > deadline:
            raise SystemExit(f"{osds_up(cluster)} of {osds} OSDs are up after {TIMEOUT_S} s")
        time.sleep(0.05)
    with cluster.open_ioctx(pool) as ioctx:
        rbd.RBD().pool_init(ioctx, True)


def main():
    step, conf, *arguments = sys.argv[1:]
    cluster = rados.Rados(conffile=conf, name="client.admin")
    cluster.connect(timeout=TIMEOUT_S)
    if step == "register-osds":
        for uuid in arguments:
            command(cluster, prefix="osd new", uuid=uuid)
    elif step == "make-pool":
        pool, osds = arguments
        make_pool(cluster, pool, int(osds))
    else:
        raise SystemExit(__doc__)
    cluster.shutdown()


main()
