"""The wheel of kvik: the modules, libkvik.so and the declarations of its header.

The library is built with CMake from the checkout that this folder lies in, or taken from $KVIK_LIBRARY. It is called
through cffi's ABI mode: one wheel serves every Python."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.dist import Distribution

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:
    from wheel.bdist_wheel import bdist_wheel

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "kvik"))
from _cdef import declarations  # noqa: E402


def library() -> pathlib.Path:
    if given := os.environ.get("KVIK_LIBRARY"):
        return pathlib.Path(given).resolve()
    build = ROOT / "build" / "python"
    options = [f"-DKVIK_{part}=OFF" for part in ("SERVER", "CLI", "TESTS")]
    subprocess.run(["cmake", "-S", ROOT, "-B", build, "-G", "Ninja", *options], check=True)
    subprocess.run(["cmake", "--build", build, "--target", "kvik_shared"], check=True)
    return (build / "libkvik.so").resolve()


class Build(build_py):
    def run(self):
        super().run()
        to = pathlib.Path(self.build_lib) / "kvik"
        shutil.copy(library(), to / "libkvik.so")
        (to / "kvik.cdef").write_text(declarations(str(ROOT / "include")))


class Wheel(bdist_wheel):
    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self):
        return ("py3", "none", super().get_tag()[2])


class WithLibrary(Distribution):
    def has_ext_modules(self):
        return True


version = re.search(r"project\(kvik VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
setup(version=version, cmdclass={"build_py": Build, "bdist_wheel": Wheel}, distclass=WithLibrary)
