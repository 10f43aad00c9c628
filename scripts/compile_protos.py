"""Compile pytest_tfsig/protos/*.proto into the descriptor set that the package loads.

python scripts/compile_protos.py           writes pytest_tfsig/protos/descriptors.binpb
python scripts/compile_protos.py --check   exits 1 when the committed file is not what the sources say

Needs the dependency group `protos` (grpcio-tools). Google's own files (any, wrappers) are included in the set, so that
the private descriptor pool needs nothing from outside.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "pytest_tfsig" / "protos"
DESCRIPTORS = PROTOS / "descriptors.binpb"


def compiled() -> bytes:
    """Returns the serialized FileDescriptorSet of every .proto file, dependencies first."""
    sources = sorted(str(path) for path in PROTOS.glob("*.proto"))
    google = Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "descriptors.binpb")
        code = protoc.main(
            [
                "protoc",
                f"-I{ROOT}",
                f"-I{google}",
                "--include_imports",
                f"--descriptor_set_out={out}",
                *sources,
            ]
        )
        if code:
            sys.exit(code)
        descriptors = FileDescriptorSet.FromString(out.read_bytes())
    return descriptors.SerializeToString(deterministic=True)


def main() -> None:
    """Writes the descriptor set, or compares it with the committed one."""
    fresh = compiled()
    if "--check" in sys.argv[1:]:
        if fresh != DESCRIPTORS.read_bytes():
            sys.exit(f"{DESCRIPTORS.relative_to(ROOT)} is stale: run python scripts/compile_protos.py")
        return
    DESCRIPTORS.write_bytes(fresh)
    print(f"wrote {DESCRIPTORS.relative_to(ROOT)}: {len(fresh):,} bytes")


if __name__ == "__main__":
    main()
