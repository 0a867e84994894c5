"""What `sam build` built: sizes, and whether Lambda's system (Amazon Linux 2023, GLIBC 2.34) can run it.

    programs.py BUILD_DIR
"""

import pathlib
import re
import subprocess
import sys
import zlib

# https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html: AL2023 has glibc 2.34.
GLIBC = (2, 34)


def zipped(program: bytes) -> int:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return len(packer.compress(program) + packer.flush())


def needs(program: pathlib.Path) -> tuple[int, int]:
    """The newest version of GLIBC whose symbols a program asks for."""
    symbols = subprocess.run(["objdump", "-T", program], capture_output=True, text=True, check=True).stdout
    versions = [tuple(map(int, v.split("."))) for v in re.findall(r"GLIBC_(\d+\.\d+)", symbols)]
    assert versions, f"{program} asks for no symbol of GLIBC: is it a program?"
    return max(versions)


def main(build: pathlib.Path) -> int:
    faults = []
    print(f"{'function':14}{'bytes':>12}{'zipped':>12}  needs")
    for program in sorted(build.glob("*/bootstrap")):
        glibc = needs(program)
        content = program.read_bytes()
        print(f"{program.parent.name.lower():14}{len(content):12,}{zipped(content):12,}  GLIBC {glibc[0]}.{glibc[1]}")
        if glibc > GLIBC:
            faults.append(f"{program.parent.name} needs GLIBC {glibc[0]}.{glibc[1]}; Lambda's system has {GLIBC[0]}.{GLIBC[1]}")
    for fault in faults:
        print(f"fault: {fault}")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
