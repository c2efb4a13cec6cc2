#!/bin/bash
# Makes /opt/nbs, the Python environment of an image, in two steps that are two layers:
#
#   install.sh libraries EXTRAS       the libraries of these extras of pyproject.toml, in the versions
#                                     of constraints.txt
#   install.sh project MODULES        the project itself, which changes more often than its libraries.
#                                     Everything that MODULES import is compiled, because Python cannot
#                                     write bytecode on a read-only root file system
#
# pip reads PIP_INDEX_URL, PIP_EXTRA_INDEX_URL and PIP_FIND_LINKS, which are build arguments.
set -euo pipefail

environment=/opt/nbs
pip() { python3 -m pip --python "$environment/bin/python3" --no-cache-dir --disable-pip-version-check "$@"; }

step=$1
shift
case $step in
  libraries)
    python3 -m venv --without-pip "$environment"
    # hatchling needs these two files. They are empty here, so that changing them does not rebuild this layer.
    touch README.md LICENSE
    pip install --quiet --no-compile --constraint constraints.txt ".[$1]"
    # Remove tests, headers, bills of material and sources in other languages. numpy.testing stays,
    # because libraries import it.
    find "$environment" -type d \( -name tests -o -name include -o -name sboms \
      -o -path '*/numpy/f2py' -o -path '*/numpy/distutils' \) -prune -exec rm -rf {} +
    find "$environment" -type f \( -name '*.py[ix]' -o -name '*.px[di]' -o -name '*.[ach]' \
      -o -name '*.proto' \) -delete
    # Only numpy's own tests load these.
    find "$environment" -path '*/numpy/_core/*.so' \( -name '_simd.*' -o -name '*_tests.*' \) -delete
    # rich imports Pygments, but no lexer is used here.
    find "$environment" -path '*/pygments/lexers/*.py' ! -name '_*' -delete
    # Some wheels contain 14 MB of debugging symbols.
    if command -v strip >/dev/null; then
      find "$environment" \( -path '*/uvloop/*.so' -o -path '*/httptools/*.so' -o -path '*/wrapt/*.so' \
        -o -path '*/safetensors/*.so' \) -exec strip --strip-unneeded {} +
    fi
    ;;
  project)
    pip install --quiet --no-compile --no-deps --force-reinstall .
    # Unchecked bytecode, because the dates of copied files are meaningless. From /, because Python would
    # import the sources in the current folder.
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
