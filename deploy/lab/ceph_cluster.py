#!/usr/bin/python3
"""The two steps of making the lab's Ceph cluster that talk to its monitor.

ceph_cluster.py register-osd CONF UUID   tells the monitor of OSD 0 before its store starts
ceph_cluster.py make-pool CONF NAME      makes a pool ready for RBD and waits until the OSD serves it
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


def make_pool(cluster, pool):
    command(cluster, prefix="osd pool create", pool=pool, pg_num=8)
    command(cluster, prefix="osd pool application enable", pool=pool, app="rbd")
    deadline = time.monotonic() + TIMEOUT_S
    while osds_up(cluster) < 1:
        if time.monotonic() > deadline:
            raise SystemExit(f"the OSD is not up after {TIMEOUT_S} s")
        time.sleep(0.05)
    with cluster.open_ioctx(pool) as ioctx:
        rbd.RBD().pool_init(ioctx, True)


def main():
    step, conf, argument = sys.argv[1:]
    cluster = rados.Rados(conffile=conf, name="client.admin")
    cluster.connect(timeout=TIMEOUT_S)
    if step == "register-osd":
        command(cluster, prefix="osd new", uuid=argument)
    elif step == "make-pool":
        make_pool(cluster, argument)
    else:
        raise SystemExit(__doc__)
    cluster.shutdown()


main()
