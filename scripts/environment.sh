# shellcheck shell=bash
# The project's own environment in .venv. Rule: it is made once, and again only when pyproject.toml says something else.
#
# Sourced by the other scripts. Says what it does on standard error: standard output may belong to a protocol.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.venv"
python="$venv/bin/python"
cache="$root/.cache"

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

# The newest Python of 3.11 or later that can make an environment. A name on PATH is not enough: version managers
# leave names that do not run, and Debian leaves out ensurepip.
find_python() {
    local candidate
    for candidate in python3.14 python3.13 python3.12 python3.11 python3 python; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
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

# install_project [EXTRAS]: .venv with the project, editable, and its extras ("" or "dev").
install_project() {
    local extras="${1:-}" base wanted
    if ! "$python" -c 'import pip' >/dev/null 2>&1; then
        base="$(find_python)"
        say "Making $venv with $("$base" --version) ..."
        quietly "$base" -m venv --clear "$venv"
    fi
    wanted="$(hash_of "$root/pyproject.toml")"
    # What has the development tools has all that serving needs.
    if [[ "$(cat "$venv/.installed-${extras:-base}" "$venv/.installed-dev" 2>/dev/null)" == *"$wanted"* ]]; then
        return
    fi
    say "Installing mcp-runtime into $venv (once; a minute or two) ..."
    quietly "$python" -m pip install --disable-pip-version-check --editable "$root${extras:+[$extras]}"
    printf '%s\n' "$wanted" >"$venv/.installed-${extras:-base}"
}

# install_node_clients: what tests/clients/package.json pins, into .cache/node. Without Node 20 those tests skip.
install_node_clients() {
    local package="$root/tests/clients/package.json" target="$cache/node" wanted
    if [[ ! -f "$package" ]]; then
        return
    fi
    if ! has_node 20; then
        say "No Node.js 20 or later here: tests with Node clients are skipped."
        return
    fi
    wanted="$(hash_of "$package")"
    if [[ "$(cat "$target/.installed" 2>/dev/null)" == "$wanted" ]]; then
        return
    fi
    say "Installing Node clients into $target (once) ..."
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

# install_nginx: Debian's nginx, for tests that put a proxy before two processes. Without it they skip.
install_nginx() {
    if PATH="$PATH:/usr/sbin" command -v nginx >/dev/null 2>&1; then
        return
    fi
    if [[ "$(id -u)" != 0 ]] || ! command -v apt-get >/dev/null 2>&1; then
        say "No nginx here: tests with a proxy are skipped."
        return
    fi
    say "Installing nginx with apt-get (once) ..."
    # RUNLEVEL: the package would start a server of its own on port 80. Without package lists, they are fetched first.
    local -x RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends nginx >/dev/null 2>&1 && return
    quietly apt-get update && quietly apt-get install -y --no-install-recommends nginx ||
        say "nginx could not be installed: tests with a proxy are skipped."
}
