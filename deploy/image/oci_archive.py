#!/usr/bin/env python3
"""Writes a container image as an OCI archive, without a registry and without a container engine.

oci_archive.py OUT.tar NAME CONFIG_JSON LAYER_DIR...

Each LAYER_DIR becomes one layer. The same input gives the same bytes: entries are sorted, owned by root
and dated to the epoch. CONFIG_JSON is the image's configuration, as {"Entrypoint": [...], "Env": [...]}.
"""

import hashlib
import io
import json
import os
import sys
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
MEDIA_TYPE = "application/vnd.oci.image."


def layer_bytes(directory):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for parent, directories, files in os.walk(directory):
            directories.sort()
            for name in sorted(directories + files):
                add_entry(archive, directory, os.path.join(parent, name))
    return buffer.getvalue()


def add_entry(archive, directory, path):
    entry = archive.gettarinfo(path, os.path.relpath(path, directory))
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = "root"
    if entry.islnk():  # a hard link: stored as a file of its own
        entry.type = tarfile.REGTYPE
        entry.size = os.path.getsize(path)
    if entry.isreg():
        with open(path, "rb") as content:
            archive.addfile(entry, content)
    else:
        archive.addfile(entry)


class Blobs:
    """The archive's content, by its digest."""

    def __init__(self):
        self.content = {}

    def add(self, data, kind):
        digest = hashlib.sha256(data).hexdigest()
        self.content[digest] = data
        return {"mediaType": MEDIA_TYPE + kind, "digest": "sha256:" + digest, "size": len(data)}

    def add_json(self, value, kind):
        return self.add(json.dumps(value, sort_keys=True).encode(), kind)


def image_index(name, config, layer_directories, blobs):
    platform = {"architecture": ARCHITECTURES[os.uname().machine], "os": "linux"}
    layers = [blobs.add(layer_bytes(d), "layer.v1.tar") for d in layer_directories]
    configuration = dict(
        platform,
        config=config,
        rootfs={"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MEDIA_TYPE + "manifest.v1+json",
        "config": blobs.add_json(configuration, "config.v1+json"),
        "layers": layers,
    }
    descriptor = blobs.add_json(manifest, "manifest.v1+json")
    # containerd keeps an image under its full name and does not complete a short one.
    descriptor["annotations"] = {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.rsplit(":", 1)[1],
    }
    descriptor["platform"] = platform
    return {"schemaVersion": 2, "mediaType": MEDIA_TYPE + "index.v1+json", "manifests": [descriptor]}


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    out, name, config, *layer_directories = sys.argv[1:]
    blobs = Blobs()
    index = image_index(name, json.loads(config), layer_directories, blobs)
    with tarfile.open(out + ".part", "w") as archive:

        def add(path, data):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))

        add("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        add("index.json", json.dumps(index, sort_keys=True).encode())
        for digest, data in sorted(blobs.content.items()):
            add("blobs/sha256/" + digest, data)
    os.replace(out + ".part", out)


main()
