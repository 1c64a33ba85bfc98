# shellcheck shell=bash
# The environments that the scripts run in: .venv, and others in .cache. Rule: one is made once, and again only when what
# it is made from says something else: pyproject.toml, the lock file, a file of pins.
#
# Sourced by the other scripts. Says what it does on standard error: standard output may belong to a protocol.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.venv"
python="$venv/bin/python"
cache="$root/.cache"
# Versions and hashes of all that development needs; scripts/lock writes it.
lock="$root/requirements-dev.lock"

say() { printf '%s\n' "$*" >&2; }

# Runs a command silently; its output is shown only if it fails.
quietly() {
    local log
    log="$(mktemp)"
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        say "Failed: $*"
        return 1
    fi
    rm -f "$log"
}

# The versions of Python that pyproject.toml lists, a line each, oldest first: CI runs the tests on each of them.
python_versions() { sed -n 's/^ *"Programming Language :: Python :: \(3\.[0-9][0-9]*\)",$/\1/p' "$root/pyproject.toml"; }

# Whether the command is a Python of 3.11 or later that can make an environment. A name on PATH is not enough: version
# managers leave names that do not run, and Debian leaves out ensurepip.
makes_environments() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# find_interpreter VERSION: the path of such a Python (`find_interpreter 3.12`), on PATH or among pyenv's.
find_interpreter() {
    local candidate
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1"*/bin/"python$1"; do
        if makes_environments "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# The Python that .venv is made of: the oldest that CI runs, for what works there works on the others sooner than the other
# way round. Where none of those is, whatever is called Python and is not older.
find_python() {
    local version candidate
    for version in $(python_versions); do
        find_interpreter "$version" && return
    done
    for candidate in python3 python; do
        if makes_environments "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    say "Needs Python 3.11 or later with its venv module (on Debian and Ubuntu: apt-get install python3-venv)."
    return 1
}

# Whether `node` is there, of at least the given major version.
has_node() {
    command -v node >/dev/null 2>&1 && node -e "process.exit(+(process.versions.node.split('.')[0] < $1))"
}

hash_of() { "$python" -c 'import hashlib, sys; print(hashlib.sha256(b"".join(open(f, "rb").read() for f in sys.argv[1:])).hexdigest())' "$@"; }

# install_project [dev]: .venv with the project, editable. Alone it gets what a user gets, from pyproject.toml; with `dev`,
# the tools too, all in the versions that the lock file names.
install_project() {
    local kind="${1:-base}" base wanted
    if ! "$python" -c 'import pip' >/dev/null 2>&1; then
        base="$(find_python)"
        say "Making $venv with $("$base" --version) ..."
        quietly "$base" -m venv --clear "$venv"
    fi
    if [[ "$kind" == dev ]]; then
        install_locked "$venv"
        return
    fi
    # What has the development tools has all that serving needs.
    wanted="$(hash_of "$root/pyproject.toml")"
    if [[ "$(cat "$venv/.installed-base" 2>/dev/null)" == "$wanted" ]] || has_locked "$venv"; then
        return
    fi
    say "Installing mcp-runtime into $venv (once; a minute or two) ..."
    quietly "$python" -m pip install --disable-pip-version-check --editable "$root"
    printf '%s\n' "$wanted" >"$venv/.installed-base"
}

# Whether the environment is what pyproject.toml and the lock file say now.
has_locked() { [[ "$(cat "$1/.installed-dev" 2>/dev/null)" == "$(hash_of "$root/pyproject.toml" "$lock")" ]]; }

# install_locked ENVIRONMENT: what the lock file names, and the project itself, editable. Nothing is resolved, and nothing
# is built but the project, with the build backend that the lock file names: the pip that comes with Python will do.
install_locked() {
    local target="$1" pip=("$1/bin/python" -m pip install --disable-pip-version-check)
    if has_locked "$target"; then
        return
    fi
    say "Installing mcp-runtime and its tools into $target (once; a minute or two) ..."
    quietly "${pip[@]}" --require-hashes --requirement "$lock"
    quietly "${pip[@]}" --no-deps --no-build-isolation --editable "$root"
    hash_of "$root/pyproject.toml" "$lock" >"$target/.installed-dev"
}

# install_interpreter VERSION PYTHON: .cache/interpreters/VERSION, made of that Python from the lock file.
install_interpreter() {
    local target="$cache/interpreters/$1"
    if ! "$target/bin/python" -c 'import pip' >/dev/null 2>&1; then
        quietly "$2" -m venv --clear "$target"
    fi
    install_locked "$target"
}

# install_uv: uv, in an environment of its own in .cache/uv, for what pip cannot do: a lock file for all interpreters, and
# the lowest versions.
install_uv() {
    local target="$cache/uv"
    if "$target/bin/uv" --version >/dev/null 2>&1; then
        return
    fi
    say "Installing uv into $target (once) ..."
    quietly "$(find_python)" -m venv --clear "$target"
    quietly "$target/bin/python" -m pip install --disable-pip-version-check 'uv>=0.9'
}

# install_from_npm PACKAGE_JSON TARGET: what that file pins, into that folder. Needs Node 20.
install_from_npm() {
    local package="$1" target="$2" wanted
    wanted="$(hash_of "$package")"
    if [[ "$(cat "$target/.installed" 2>/dev/null)" == "$wanted" ]]; then
        return
    fi
    say "Installing Node programs into $target (once) ..."
    mkdir -p "$target"
    cp "$package" "$target/package.json"
    quietly npm install --prefix "$target" --no-audit --no-fund --no-package-lock --loglevel=error
    printf '%s\n' "$wanted" >"$target/.installed"
}

# install_legacy_clients: an environment in .cache/clients for every file of pins in tests/clients/legacy/environments.
# Two of them cannot share one: they pin versions of the same package, and so do the project's own tools.
install_legacy_clients() {
    local pins name target wanted
    for pins in "$root"/tests/clients/legacy/environments/*.txt; do
        if [[ ! -f "$pins" ]]; then
            return
        fi
        name="$(basename "$pins" .txt)"
        target="$cache/clients/$name"
        wanted="$(hash_of "$pins")"
        if [[ "$(cat "$target/.installed" 2>/dev/null)" == "$wanted" ]]; then
            continue
        fi
        say "Installing the old client $name into $target (once) ..."
        quietly "$python" -m venv --clear "$target"
        quietly "$target/bin/python" -m pip install --disable-pip-version-check --requirement "$pins"
        printf '%s\n' "$wanted" >"$target/.installed"
    done
}

# What tests need that is not Python's: the program, Debian's package, and what is skipped without it. `-` for a package:
# too large for scripts/bootstrap to install unasked.
system_programs=(
    "nginx nginx tests with a proxy"
    "faketime faketime tests of days to come"
    "unshare util-linux tests in a namespace of their own"
    "curl curl tests with curl"
    "chromium - tests of pages in a browser"
)

# missing_programs: of those, a line each, that are not here.
missing_programs() {
    local row program
    for row in "${system_programs[@]}"; do
        read -r program _ <<<"$row"
        PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null 2>&1 || printf '%s\n' "$row"
    done
}
