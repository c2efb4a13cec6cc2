#!/bin/bash
# Makes /opt/nbs, the Python environment of an image, in two steps that are two layers:
#
#   install.sh libraries EXTRAS       what the extras of pyproject.toml name, in the versions of
#                                     constraints.txt
#   install.sh project MODULES        the project itself, which changes more often than its libraries;
#                                     what MODULES load is compiled, because a read-only root
#                                     file system keeps Python from doing it at each start
#
# The index and further places of packages are pip's own settings (PIP_INDEX_URL,
# PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS), given as build arguments.
set -euo pipefail

environment=/opt/nbs
pip() { python3 -m pip --python "$environment/bin/python3" --no-cache-dir --disable-pip-version-check "$@"; }

step=$1
shift
case $step in
  libraries)
    python3 -m venv --without-pip "$environment"
    # hatchling reads these two; so early they may be empty, and a change to them costs no layer.
    touch README.md LICENSE
    pip install --quiet --no-compile --constraint constraints.txt ".[$1]"
    # Nothing that runs reads tests, headers, bills of material or sources in other languages.
    # numpy.testing stays: libraries import it.
    find "$environment" -type d \( -name tests -o -name include -o -name sboms \
      -o -path '*/numpy/f2py' -o -path '*/numpy/distutils' \) -prune -exec rm -rf {} +
    find "$environment" -type f \( -name '*.py[ix]' -o -name '*.px[di]' -o -name '*.[ach]' \
      -o -name '*.proto' \) -delete
    # Parts of numpy that its own tests alone load.
    find "$environment" -path '*/numpy/_core/*.so' \( -name '_simd.*' -o -name '*_tests.*' \) -delete
    # rich loads Pygments, which loads a language when a text in it is to be coloured: never here.
    find "$environment" -path '*/pygments/lexers/*.py' ! -name '_*' -delete
    # Some wheels come with the symbols of a debugger, 14 MB.
    if command -v strip >/dev/null; then
      find "$environment" \( -path '*/uvloop/*.so' -o -path '*/httptools/*.so' -o -path '*/wrapt/*.so' \
        -o -path '*/safetensors/*.so' \) -exec strip --strip-unneeded {} +
    fi
    ;;
  project)
    pip install --quiet --no-compile --no-deps --force-reinstall .
    # By content, because the date of a copied file is no matter. From elsewhere, because Python
    # would load the sources that lie here.
    cd /
    "$environment/bin/python3" -B - "$environment" "$@" <<'PYTHON'
import importlib, py_compile, sys
environment, *names = sys.argv[1:]
for name in names:
    importlib.import_module(name)
sources = {getattr(module, "__file__", None) or "" for module in [*sys.modules.values()]}
for source in sorted(sources):
    if source.startswith(environment) and source.endswith(".py"):
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(source, doraise=True, invalidation_mode=mode)
PYTHON
    ;;
  *)
    echo "install.sh: no step $step" >&2
    exit 2
    ;;
esac
